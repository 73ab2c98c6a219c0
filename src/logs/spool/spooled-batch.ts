import type { Line } from '../record/lines.ts';
import type { DeadLetter, LogRecord } from '../record/record.ts';

/**
 * Records, or dead letters, as bytes, so that what is written later is the same to the byte as what would have been
 * written at once. Numbers are big-endian; a text is written as what it does not share with the one before of its kind.
 *
 *     record   id, added, checksum: texts
 *              float64 time, uint8 1 where the record names its host
 *              line
 *              uint32 offset of the document in the line, or NOT_IN_LINE; uint32 its length; where it is not in the line: the bytes
 *     letter   id, reason: texts
 *              line
 *     line     float64 offset, float64 length, uint32 kept bytes, the bytes
 *     text     uint8 characters in common with the one before, uint32 bytes of the rest, the bytes
 */
export function encodeRecords(records: readonly LogRecord[]): Buffer {
  const out = new ByteWriter(sizeOf(records));
  let [id, added] = ['', ''];
  for (const record of records) {
    out.text(record.id, id);
    out.text(record.added, added);
    out.text(record.checksum ?? '', '');
    [id, added] = [record.id, record.added];
    const { open, time, hasHost } = record.document;
    out.float64(time);
    out.uint8(hasHost ? 1 : 0);
    out.line(record.line);
    const offset = offsetIn(record.line.bytes, open);
    out.uint32(offset);
    out.uint32(open.length);
    if (offset === NOT_IN_LINE) out.bytes(open);
  }
  return out.end();
}

/** @throws RangeError when the bytes are something else. */
export function decodeRecords(body: Buffer, day: string): LogRecord[] {
  const from = new ByteReader(body);
  const records: LogRecord[] = [];
  let [id, added] = ['', ''];
  while (!from.ended) {
    id = from.text(id);
    added = from.text(added);
    const checksum = from.text('');
    const time = from.float64();
    const hasHost = from.uint8() === 1;
    const line = from.line();
    const offset = from.uint32();
    const length = from.uint32();
    const open = offset === NOT_IN_LINE ? from.bytes(length) : line.bytes.subarray(offset, offset + length);
    const document = { open, time, hasHost };
    records.push({ id, day, line, document, added, ...(checksum === '' ? {} : { checksum }) });
  }
  return records;
}

export function encodeLetters(letters: readonly DeadLetter[]): Buffer {
  const out = new ByteWriter(sizeOf(letters));
  let id = '';
  for (const letter of letters) {
    out.text(letter.id, id);
    id = letter.id;
    out.text(letter.reason, '');
    out.line(letter.line);
  }
  return out.end();
}

/** @throws RangeError when the bytes are something else. */
export function decodeLetters(body: Buffer): DeadLetter[] {
  const from = new ByteReader(body);
  const letters: DeadLetter[] = [];
  let id = '';
  while (!from.ended) {
    id = from.text(id);
    const reason = from.text('');
    letters.push({ id, reason, line: from.line() });
  }
  return letters;
}

const NOT_IN_LINE = 0xffff_ffff;
const MOST_SHARED = 255;

function sizeOf(items: readonly { readonly line: Line }[]): number {
  return items.reduce((sum, { line }) => sum + line.bytes.length + 160, 0);
}

/** Where `part` stands, if it is a view of the line's bytes. */
function offsetIn(line: Buffer, part: Buffer): number {
  const offset = part.byteOffset - line.byteOffset;
  const inside = part.buffer === line.buffer && offset >= 0 && offset + part.length <= line.length;
  return inside ? offset : NOT_IN_LINE;
}

class ByteWriter {
  #bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  uint8(value: number): void {
    this.#at = this.#room(1).writeUInt8(value, this.#at);
  }

  uint32(value: number): void {
    this.#at = this.#room(4).writeUInt32BE(value, this.#at);
  }

  float64(value: number): void {
    this.#at = this.#room(8).writeDoubleBE(value, this.#at);
  }

  bytes(bytes: Buffer): void {
    this.#at += bytes.copy(this.#room(bytes.length), this.#at);
  }

  text(text: string, before: string): void {
    const shared = sharedLength(text, before);
    this.uint8(shared);
    const rest = text.slice(shared);
    const length = this.#room(4 + 3 * rest.length).write(rest, this.#at + 4);
    this.uint32(length);
    this.#at += length;
  }

  line({ offset, length, bytes }: Line): void {
    this.float64(offset);
    this.float64(length);
    this.uint32(bytes.length);
    this.bytes(bytes);
  }

  end(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(2 * this.#bytes.length + length);
      this.#bytes.copy(grown, 0, 0, this.#at);
      this.#bytes = grown;
    }
    return this.#bytes;
  }
}

function sharedLength(text: string, before: string): number {
  const most = Math.min(text.length, before.length, MOST_SHARED);
  let length = 0;
  while (length < most && text.charCodeAt(length) === before.charCodeAt(length)) length++;
  // Half of a character that takes two would not come back.
  return (text.charCodeAt(length - 1) & 0xfc00) === 0xd800 ? length - 1 : length;
}

class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  uint8(): number {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1);
  }

  uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  float64(): number {
    this.#at += 8;
    return this.#bytes.readDoubleBE(this.#at - 8);
  }

  bytes(length: number): Buffer {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError('there are fewer bytes than were announced');
    return this.#bytes.subarray(start, this.#at);
  }

  text(before: string): string {
    const shared = this.uint8();
    return before.slice(0, shared) + this.bytes(this.uint32()).toString();
  }

  line(): Line {
    const offset = this.float64();
    const length = this.float64();
    return { offset, length, bytes: this.bytes(this.uint32()) };
  }
}
