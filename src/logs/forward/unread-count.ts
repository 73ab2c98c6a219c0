import type { LogType } from '../types/log-type.ts';
import { addCounts, countLines, type LineCount } from './line-count.ts';
import { type FilePlace, type LogFile, tailHash } from './log-file.ts';

/** Bytes that are counted at once. */
const BYTES = 256 * 1024;

/**
 * How many records wait in a file behind a place: if it is overwritten or gone before they are shipped, it is known how
 * many are missing.
 */
export class UnreadCount {
  #from: number;
  #to: FilePlace;
  #count: LineCount = { records: 0 };

  constructor(from: FilePlace) {
    this.#from = from.offset;
    this.#to = from;
  }

  /** Undefined where nobody has counted from there. */
  from(offset: number): LineCount | undefined {
    return offset === this.#from ? this.#count : undefined;
  }

  /**
   * Counts on to the end of the file as it is known; returns whether there was something.
   * @throws FileTrouble when it cannot be read on, and what `signal` was aborted with.
   */
  async goOn(type: LogType, file: LogFile, signal: AbortSignal): Promise<boolean> {
    const { offset } = this.#to;
    for await (const chunk of file.chunks(this.#to, BYTES)) {
      this.#count = addCounts(this.#count, countLines(type, chunk));
      this.#to = { offset: chunk.end, tail: tailHash(chunk.after) };
      signal.throwIfAborted();
    }
    return this.#to.offset > offset;
  }

  /** The first so many records, up to an offset, do not wait any more. */
  without(records: number, offset: number): void {
    if (offset > this.#to.offset) return;
    this.#from = offset;
    this.#count = { ...this.#count, records: this.#count.records - records };
  }
}
