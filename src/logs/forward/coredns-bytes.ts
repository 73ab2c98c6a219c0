import { ContainerLines } from '../coredns/container-lines.ts';
import { type CorednsPod, queryRecord } from '../coredns/query-record.ts';
import type { FileBytes, PlacedBytes } from './file-bytes.ts';
import { NEWLINE } from './file-chunk.ts';

/** How much of the file is read at once. */
const READ = 64 * 1024;

/** Runtimes cut lines long before: what is longer is none of theirs, and is passed over. */
const LONGEST = 4 * READ;

/** A place in the file, and how many bytes of records were made of what is before it. */
interface Mark {
  readonly raw: number;
  readonly end: number;
}

/**
 * The DNS records of a log file of CoreDNS's container, one a line, as if they stood in a file of their own: what is at
 * which place follows from the log file alone, so that positions and ids mean the same after every start. Records are made
 * as they are asked for, and nothing of them is held: from one of the marks they are made again.
 */
export class CorednsBytes implements FileBytes {
  readonly #log: FileBytes;
  readonly #pod: CorednsPod;
  /** Places between two lines from which records can be made without what came before. */
  readonly #marks: Mark[] = [{ raw: 0, end: 0 }];
  /** How far the file was read: to the end of a line; and the last place at which that was not in a line's middle. */
  #read: Mark = { raw: 0, end: 0 };
  #whole: Mark = { raw: 0, end: 0 };

  constructor(log: FileBytes, pod: CorednsPod) {
    this.#log = log;
    this.#pod = pod;
  }

  async size(): Promise<number> {
    const size = await this.#log.size();
    // Truncated: there is less than was there, whatever it is.
    if (size < this.#read.raw) return 0;
    for await (const { mark, whole } of this.#records(this.#whole, size)) {
      this.#read = mark;
      if (!whole) continue;
      this.#whole = mark;
      if (mark.raw >= this.#lastMark.raw + READ) this.#marks.push(mark);
    }
    return this.#read.end;
  }

  async readAt(position: number, length: number): Promise<Buffer> {
    const from = this.#marks.findLast(({ end }) => end <= position) ?? this.#lastMark;
    const wanted = position + length;
    const parts: Buffer[] = [];
    let end = from.end;
    for await (const { bytes } of this.#records(from, this.#read.raw)) {
      const start = end;
      end += bytes.length;
      if (end > position) parts.push(bytes.subarray(Math.max(0, position - start), wanted - start));
      if (end >= wanted) break;
    }
    return Buffer.concat(parts);
  }

  async isStill(size: number, pieces: readonly PlacedBytes[]): Promise<boolean> {
    if (size > this.#read.end || (await this.#log.size()) < this.#read.raw) return false;
    for (const { position, bytes } of pieces) {
      if (!(await this.readAt(position, bytes.length)).equals(bytes)) return false;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  get #lastMark(): Mark {
    return this.#marks.at(-1) ?? { raw: 0, end: 0 };
  }

  /** What is made of the lines from a mark up to a place, piece by piece. */
  async *#records(
    from: Mark,
    to: number,
  ): AsyncGenerator<{ readonly bytes: Buffer; readonly mark: Mark; readonly whole: boolean }, void, void> {
    const lines = new ContainerLines();
    let { raw, end } = from;
    for (let length = READ; raw < to; ) {
      const piece = await this.#log.readAt(raw, Math.min(length, to - raw));
      const read = piece.lastIndexOf(NEWLINE) + 1;
      // The beginning of the last line, which has no end yet.
      if (read === 0 && piece.length < length) return;
      if (read === 0 && length < LONGEST) {
        length *= 2;
        continue;
      }
      length = READ;
      const bytes = Buffer.from(this.#recordsOf(piece.toString('utf8', 0, read), lines));
      raw += read === 0 ? piece.length : read;
      end += bytes.length;
      yield { bytes, mark: { raw, end }, whole: lines.whole };
    }
  }

  #recordsOf(text: string, lines: ContainerLines): string {
    let records = '';
    for (const line of text.split('\n')) {
      const joined = lines.join(line);
      const record = joined === undefined ? undefined : queryRecord(joined.time, joined.text, this.#pod);
      if (record !== undefined) records += `${record}\n`;
    }
    return records;
  }
}
