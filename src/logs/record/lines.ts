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
  #pending: Buffer[] = [];
  #pendingLength = 0;
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
    if (this.#pendingLength + this.#dropped === 0) return undefined;
    return this.#finish(Buffer.alloc(0), 0);
  }

  #keep(part: Buffer): void {
    this.#pending.push(part);
    this.#pendingLength += part.length;
    if (this.#pendingLength > this.#maxLine) {
      const head = Buffer.concat(this.#pending).subarray(0, HEAD);
      this.#dropped += this.#pendingLength - head.length;
      this.#pending = [Buffer.from(head)];
      this.#pendingLength = head.length;
    }
  }

  #finish(last: Buffer, newline: number): Line {
    const length = this.#pendingLength + this.#dropped + last.length;
    const offset = this.#offset;
    this.#offset += length + newline;
    const bytes = this.#pending.length === 0 ? last : Buffer.concat([...this.#pending, last]);
    this.#pending = [];
    this.#pendingLength = 0;
    this.#dropped = 0;
    return length > this.#maxLine ? { offset, bytes: bytes.subarray(0, HEAD), length } : { offset, bytes, length };
  }
}

/** True for a line of nothing but white space, which is no record. */
export function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false;
  return true;
}
