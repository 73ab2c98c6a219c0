const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const BLANKS: readonly number[] = [0x20, 0x09, NEWLINE, RETURN];

/** As long as it is not known whether an object is a record or a list of them, it is held. */
const MOST_HELD = 16 * 1024 * 1024;

/** The member of a Kubernetes list (EventList, List) that holds what is in it. */
const ITEMS = 'items';

/** No value at any depth is a record. */
const NOWHERE = -1;

/** The text is no JSON that holds records. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
}

/**
 * Finds the records in JSON of whatever form: an array of them, a Kubernetes list, several of either, or records one behind
 * the other; and makes lines of them. Their bytes stay as they are, but for line ends between tokens. What stands one on a
 * line already is passed through: a line that is no JSON is then one line, and no other is lost with it.
 *
 * Only strings and brackets are followed; whether a record is valid is for whoever stores it to say.
 */
export class RecordScanner {
  /** The first value was a record on one line: so are the others. */
  #lines = false;
  #first = true;
  #position = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Where objects are records: the depth of what they are in. */
  #recordsAt = 0;
  #inRecord = false;
  /** An object that may be a list, and what is read of it. */
  #held: Buffer[] | undefined;
  #heldBytes = 0;
  /** The last string of it, and the last member's name. */
  #word = '';
  #member = '';
  #lastByte = NEWLINE;

  /** @returns as many bytes of lines as are known by now. @throws ImportError */
  take(part: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let from = 0;
    for (let at = 0; at < part.length && !this.#lines; at++) {
      const event = this.#byte(part[at] ?? 0, this.#position + at);
      if (event === 'begun') from = at;
      if (event !== 'ended') continue;
      lines.push(...this.#endRecord(part.subarray(from, at + 1)));
      from = at + 1;
    }
    if (this.#lines) lines.push(part.subarray(from));
    else if (this.#inRecord) lines.push(...this.#goOn(part.subarray(from)));
    this.#position += part.length;
    this.#lastByte = part.at(-1) ?? this.#lastByte;
    return lines;
  }

  /** @throws ImportError when it ends in the middle of something. */
  end(): Buffer[] {
    if (this.#lines) return this.#lastByte === NEWLINE ? [] : [Buffer.of(NEWLINE)];
    if (this.#depth === 0 && !this.#inString) return [];
    throw new ImportError(`it ends at byte ${this.#position} in the middle of a value: it is not whole`);
  }

  /** @returns what has happened to a record with this byte */
  #byte(byte: number, position: number): 'begun' | 'ended' | undefined {
    if (this.#inString) this.#inText(byte);
    else if (byte === QUOTE) this.#beginText(position);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return this.#open(byte, position) ? 'begun' : undefined;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) return this.#close() ? 'ended' : undefined;
    else if (byte === COLON) this.#member = this.#word;
    else if (byte === COMMA) this.#member = '';
    else if (!BLANKS.includes(byte)) this.#requireInside(position);
    return undefined;
  }

  #beginText(position: number): void {
    this.#requireInside(position);
    this.#inString = true;
    this.#word = '';
  }

  #inText(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
    // Only of a list's own members, of which one name counts.
    if (this.#inString && this.#held !== undefined && this.#depth === 1 && this.#word.length <= ITEMS.length) {
      this.#word += String.fromCharCode(byte);
    }
  }

  /** @returns whether a record begins with it */
  #open(byte: number, position: number): boolean {
    const begins = this.#depth === this.#recordsAt && !this.#inRecord && this.#openAmongRecords(byte, position);
    if (byte === OPEN_ARRAY && this.#held !== undefined && this.#depth === 1 && this.#member === ITEMS) {
      // It is a list: what is in it are the records, and it is none.
      this.#held = undefined;
      this.#first = false;
      this.#inRecord = false;
      this.#recordsAt = 2;
    }
    this.#depth++;
    return begins;
  }

  #openAmongRecords(byte: number, position: number): boolean {
    if (byte === OPEN_ARRAY) {
      if (this.#depth > 0) throw new ImportError(`there is an array at byte ${position} where a record should be`);
      this.#first = false;
      this.#recordsAt = 1;
      return false;
    }
    this.#inRecord = true;
    if (this.#depth > 0) return true;
    this.#held = [];
    this.#heldBytes = 0;
    this.#member = '';
    return true;
  }

  /** @returns whether a record ends with it */
  #close(): boolean {
    this.#depth--;
    if (this.#depth < 0) throw new ImportError('it has more closing brackets than opening ones');
    const ends = this.#inRecord && this.#depth === this.#recordsAt;
    if (ends) this.#inRecord = false;
    // The end of a list's items; other members of it may follow.
    else if (this.#recordsAt === 2 && this.#depth === 1) this.#recordsAt = NOWHERE;
    if (this.#depth === 0) this.#recordsAt = 0;
    return ends;
  }

  #requireInside(position: number): void {
    if (this.#depth === this.#recordsAt && !this.#inRecord) {
      throw new ImportError(`there is something else at byte ${position} where a record should be`);
    }
  }

  #goOn(bytes: Buffer): readonly Buffer[] {
    if (this.#held === undefined) return [onOneLine(bytes)];
    this.#held.push(Buffer.from(bytes));
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= MOST_HELD) return [];
    // No list says so much of itself before its items.
    const held = Buffer.concat(this.#held);
    this.#held = undefined;
    this.#first = false;
    return [onOneLine(held)];
  }

  #endRecord(bytes: Buffer): readonly Buffer[] {
    if (this.#held === undefined) return [onOneLine(bytes), Buffer.of(NEWLINE)];
    const record = Buffer.concat([...this.#held, bytes]);
    this.#held = undefined;
    this.#lines = this.#first && !record.includes(NEWLINE);
    this.#first = false;
    return this.#lines ? [record] : [onOneLine(record), Buffer.of(NEWLINE)];
  }
}

/** Line ends can only stand between tokens. */
function onOneLine(bytes: Buffer): Buffer {
  if (!bytes.includes(NEWLINE) && !bytes.includes(RETURN)) return bytes;
  return Buffer.from(bytes.map((byte) => (byte === NEWLINE || byte === RETURN ? 0x20 : byte)));
}
