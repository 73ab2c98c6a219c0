/**
 * The bytes of a batch: numbers in rows of one length, the texts behind them, and then what is large, as it is. Numbers are
 * little-endian.
 *
 *     0  uint32  rows
 *     4  uint32  bytes of all texts
 *     8  uint32  bytes of what is large
 *
 * A text is written as what it does not share with the one before of its kind.
 */
const PREFIX = 12;

const NEWLINE = 0x0a;
const MOST_SHARED = 0xffff;

/** More than this of them cost the system more than one copy of all. */
const MOST_PIECES = 256;

/** Bytes of a number, and of what stands in a row for a text or for what is large. */
export const BYTES = { float64: 8, uint8: 1, text: 6, large: 8 } as const;

/** Writes the members of one row after the other, in their order. */
export class BatchWriter {
  readonly #rows: Buffer;
  readonly #numbers: DataView;
  #at = PREFIX;
  readonly #texts: string[] = [];
  readonly #large = new Pieces();

  constructor(rows: number, rowBytes: number) {
    this.#rows = Buffer.allocUnsafeSlow(PREFIX + rows * rowBytes);
    this.#numbers = new DataView(this.#rows.buffer);
    this.#numbers.setUint32(0, rows, true);
  }

  float64(value: number): void {
    this.#numbers.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  uint8(value: number): void {
    this.#numbers.setUint8(this.#at, value);
    this.#at += 1;
  }

  text(text: string, before: string): void {
    const shared = sharedLength(text, before);
    this.#numbers.setUint16(this.#at, shared, true);
    this.#numbers.setUint32(this.#at + 2, text.length - shared, true);
    this.#at += 6;
    if (shared < text.length) this.#texts.push(text.slice(shared));
  }

  /** Not copied: it must not change until it is written. Returns where it is among what is large. */
  large(bytes: Buffer): number {
    const at = this.#large.add(bytes);
    this.part(at, bytes.length);
    return at;
  }

  /** Something that is a part of what was added before. */
  part(at: number, length: number): void {
    this.#numbers.setUint32(this.#at, at, true);
    this.#numbers.setUint32(this.#at + 4, length, true);
    this.#at += 8;
  }

  /** What was written, in pieces: one after the other they are the batch. */
  end(): readonly Buffer[] {
    const texts = Buffer.from(this.#texts.join(''));
    this.#numbers.setUint32(4, texts.length, true);
    this.#numbers.setUint32(8, this.#large.length, true);
    const pieces = [this.#rows, texts, ...this.#large.end()];
    return pieces.length > MOST_PIECES ? [Buffer.concat(pieces)] : pieces;
  }
}

/**
 * Bytes that are kept where they are. The lines of an upload stand in a few chunks, so that those which follow each other
 * there are one piece, with the newlines between them.
 */
class Pieces {
  length = 0;
  readonly #done: Buffer[] = [];
  /** The memory that the last piece is in, and where in it. */
  #memory: Buffer = Buffer.alloc(0);
  #from = 0;
  #to = 0;

  /** Returns where they begin. */
  add(bytes: Buffer): number {
    const gap = this.#gapBefore(bytes);
    if (gap === undefined) {
      this.#done.push(this.#memory.subarray(this.#from, this.#to));
      this.#memory = Buffer.from(bytes.buffer);
      this.#from = bytes.byteOffset;
    }
    this.#to = bytes.byteOffset + bytes.length;
    const at = this.length + (gap ?? 0);
    this.length = at + bytes.length;
    return at;
  }

  end(): readonly Buffer[] {
    return [...this.#done, this.#memory.subarray(this.#from, this.#to)];
  }

  /** How many bytes are between the last piece and these; undefined where they are no part of it. */
  #gapBefore({ buffer, byteOffset }: Buffer): number | undefined {
    if (buffer !== this.#memory.buffer) return undefined;
    if (byteOffset === this.#to) return 0;
    return byteOffset === this.#to + 1 && this.#memory[this.#to] === NEWLINE ? 1 : undefined;
  }
}

function sharedLength(text: string, before: string): number {
  const most = Math.min(text.length, before.length, MOST_SHARED);
  if (text === before && most === text.length) return most;
  let length = 0;
  while (length < most && text.charCodeAt(length) === before.charCodeAt(length)) length++;
  // Half of a character that takes two would not come back.
  return (text.charCodeAt(length - 1) & 0xfc00) === 0xd800 ? length - 1 : length;
}

/** Reads what a BatchWriter has written, in the same order. */
export class BatchReader {
  readonly rows: number;
  readonly #numbers: DataView;
  #at = PREFIX;
  readonly #texts: string;
  #textAt = 0;
  readonly #large: Buffer;

  /** @throws RangeError when the bytes are something else. */
  constructor(bytes: Buffer, rowBytes: number) {
    this.#numbers = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const number = (at: number) => this.#numbers.getUint32(at, true);
    this.rows = number(0);
    const texts = PREFIX + this.rows * rowBytes;
    const large = texts + number(4);
    if (large + number(8) !== bytes.length) throw new RangeError('there are fewer bytes, or more, than were announced');
    this.#texts = bytes.toString('utf8', texts, large);
    this.#large = bytes.subarray(large);
  }

  float64(): number {
    this.#at += 8;
    return this.#numbers.getFloat64(this.#at - 8, true);
  }

  uint8(): number {
    this.#at += 1;
    return this.#numbers.getUint8(this.#at - 1);
  }

  text(before: string): string {
    const shared = this.#numbers.getUint16(this.#at, true);
    const rest = this.#numbers.getUint32(this.#at + 2, true);
    this.#at += 6;
    this.#textAt += rest;
    if (rest === 0 && shared === before.length) return before;
    return before.slice(0, shared) + this.#texts.slice(this.#textAt - rest, this.#textAt);
  }

  large(): Buffer {
    const from = this.#numbers.getUint32(this.#at, true);
    const to = from + this.#numbers.getUint32(this.#at + 4, true);
    this.#at += 8;
    return this.#large.subarray(from, to);
  }
}
