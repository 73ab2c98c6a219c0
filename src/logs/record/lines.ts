/** One line of a byte stream, without its newline. */
export interface Line {
  /** Where it begins, in bytes from the beginning of the stream (or of the file that the stream is a part of). */
  readonly offset: number;
  /** The line; of one that is too long only the beginning. */
  readonly bytes: Buffer;
  /** Length in bytes; larger than `bytes` where the line is too long to be kept. */
  readonly length: number;
}

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

/** How much of a line that is too long is kept for its dead letter. */
const HEAD = 4096;

/** Calico's audit lines reach 1.5 MiB; its own collector stops at 10 MiB. */
export const MAX_LINE = 10 * 1024 * 1024;

/**
 * Cuts a stream of bytes into lines, however its chunks fall. Never holds more than one line, nor more of it than
 * `maxLine` bytes.
 */
export class LineSplitter {
  readonly #maxLine: number;
  #offset: number;
  /**
   * The beginning of the current line, in one buffer that grows: of pieces kept each by itself the smallest would weigh
   * a hundred times what they hold, and senders cut as they like.
   */
  #held = NOTHING;
  #heldLength = 0;
  /** Bytes of the current line that were let go because it is too long. */
  #dropped = 0;

  constructor(options: { readonly offset?: number; readonly maxLine?: number } = {}) {
    this.#offset = options.offset ?? 0;
    this.#maxLine = options.maxLine ?? MAX_LINE;
  }

  /** The lines that end in `chunk`. Their bytes may be views of it. */
  *push(chunk: Buffer): Generator<Line, void, void> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield this.#finish(chunk.subarray(start, end), 1);
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** What stands after the last newline, once the stream has ended. */
  end(): Line | undefined {
    return this.#heldLength === 0 ? undefined : this.#finish(NOTHING, 0);
  }

  #keep(part: Buffer): void {
    const length = this.#heldLength + part.length;
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, 2 * this.#held.length));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    part.copy(this.#held, this.#heldLength);
    this.#heldLength = length;
    if (length > this.#maxLine) {
      this.#held = Buffer.from(this.#held.subarray(0, Math.min(length, HEAD)));
      this.#heldLength = this.#held.length;
      this.#dropped += length - this.#heldLength;
    }
  }

  #finish(last: Buffer, newline: number): Line {
    let bytes = last;
    if (this.#heldLength > 0) {
      this.#keep(last);
      bytes = this.#held.subarray(0, this.#heldLength);
    }
    const length = bytes.length + this.#dropped;
    const offset = this.#offset;
    this.#offset += length + newline;
    this.#held = NOTHING;
    this.#heldLength = 0;
    this.#dropped = 0;
    return lineOf(offset, bytes, length, this.#maxLine);
  }
}

/** A line of so many bytes, of which `bytes` are there: all of it, unless it is too long. */
export function lineOf(offset: number, bytes: Buffer, length = bytes.length, maxLine = MAX_LINE): Line {
  return { offset, bytes: length > maxLine ? bytes.subarray(0, HEAD) : bytes, length };
}

/** True for a line of nothing but white space, which is no record. */
export function isBlank(bytes: Buffer, start = 0, end = bytes.length): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false;
  }
  return true;
}
