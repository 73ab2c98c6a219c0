import { type Line, LineSplitter } from '../record/lines.ts';
import type { DeadLetter, LineReader, LogRecord } from '../record/record.ts';
import type { UploadSource } from '../record/source.ts';
import type { LogStore } from '../store/log-store.ts';
import type { LogType } from '../types/log-type.ts';

/** How much of an upload goes to the store at once: as much as a forwarder sends in one. */
const BATCH_BYTES = 2 * 1024 * 1024;
const BATCH_RECORDS = 5_000;

/** Batches of one upload that are on their way into the store while the next one is read. */
const UNDER_WAY = 3;

/** Dead letters named in the answer; all are counted and kept. */
export const NAMED_LETTERS = 10;

/** What became of an upload, once all of it is durable. `accepted` and `setAside` add up to its records. */
export interface UploadAnswer {
  readonly accepted: number;
  /** Of those accepted, how many were there already. */
  readonly known: number;
  readonly setAside: number;
  /** The first few of those set aside. */
  readonly reasons: readonly { readonly offset: number; readonly reason: string }[];
}

export interface UploadOutcome extends UploadAnswer {
  /** How many of the known ones came with another checksum than is stored; what is stored stays as it is. */
  readonly differing: number;
  /** Time of the newest record, in milliseconds since 1970; undefined where there is none. */
  readonly newest: number | undefined;
}

export interface Upload {
  readonly type: LogType;
  readonly source: UploadSource;
  /** Knows the form of the lines. */
  readonly reader: LineReader;
  /** NDJSON, decompressed. */
  readonly body: AsyncIterable<Buffer>;
}

/**
 * Stores an upload: every line becomes a document or a dead letter. Memory is bounded by a few batches, however long the
 * body is.
 *
 * @throws StoreUnavailable when not all of it could be stored: then nothing may be acknowledged, and the sender sends
 *   it again.
 */
export async function takeUpload(upload: Upload, store: LogStore, signal: AbortSignal): Promise<UploadOutcome> {
  const intake = new Intake(upload, store, signal);
  const splitter = new LineSplitter({ offset: upload.source.position?.offset ?? 0 });
  try {
    for await (const chunk of upload.body) {
      for (const line of splitter.push(chunk)) {
        intake.add(line);
        if (intake.full) await intake.flush();
      }
    }
    const last = splitter.end();
    if (last !== undefined) intake.add(last);
    await intake.flush();
  } finally {
    await intake.settled();
  }
  return intake.outcome();
}

class Intake {
  readonly #upload: Upload;
  readonly #store: LogStore;
  readonly #signal: AbortSignal;
  #records: LogRecord[] = [];
  #letters: DeadLetter[] = [];
  #bytes = 0;
  readonly #underWay = new Set<Promise<void>>();
  /** What became of the first batch that failed. */
  #failure: { readonly error: unknown } | undefined;
  #accepted = 0;
  #known = 0;
  #differing = 0;
  #setAside = 0;
  #newest: number | undefined;
  #reasons: { readonly offset: number; readonly reason: string }[] = [];

  constructor(upload: Upload, store: LogStore, signal: AbortSignal) {
    this.#upload = upload;
    this.#store = store;
    this.#signal = signal;
  }

  add(line: Line): void {
    const read = this.#upload.reader.read(line);
    // Of blank lines too: a record is a view of the chunk that it came in, and keeps all of that.
    this.#bytes += line.length + 1;
    if (read.kind === 'blank') return;
    if (read.kind === 'record') {
      this.#records.push(read.record);
      this.#newest = Math.max(this.#newest ?? 0, read.record.document.time);
    } else this.#letters.push(read.letter);
  }

  get full(): boolean {
    return this.#bytes >= BATCH_BYTES || this.#records.length + this.#letters.length >= BATCH_RECORDS;
  }

  /** Sends what there is on its way. Resolves once there may be more. @throws what an earlier batch has failed with. */
  async flush(): Promise<void> {
    const records = this.#records;
    const letters = this.#letters;
    this.#records = [];
    this.#letters = [];
    this.#bytes = 0;
    this.#signal.throwIfAborted();
    const batch = this.#write(records, letters)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#underWay.delete(batch));
    this.#underWay.add(batch);
    if (this.#underWay.size >= UNDER_WAY) await Promise.race(this.#underWay);
    this.#throwFailure();
  }

  /** Resolves once nothing is on its way any more. @throws what a batch has failed with. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  outcome(): UploadOutcome {
    return {
      accepted: this.#accepted,
      known: this.#known,
      differing: this.#differing,
      setAside: this.#setAside,
      newest: this.#newest,
      reasons: this.#reasons,
    };
  }

  async #write(records: readonly LogRecord[], letters: DeadLetter[]): Promise<void> {
    const { type, source } = this.#upload;
    if (records.length > 0) {
      const outcome = await this.#store.write({ type, source, records }, this.#signal);
      this.#accepted += outcome.stored + outcome.known;
      this.#known += outcome.known;
      this.#differing += outcome.differing;
      letters.push(...outcome.refused);
    }
    if (letters.length === 0) return;
    await this.#store.setAside(letters, type, source, this.#signal);
    this.#setAside += letters.length;
    const named = letters.slice(0, NAMED_LETTERS).map(({ line: { offset }, reason }) => ({ offset, reason }));
    this.#reasons = [...this.#reasons, ...named].sort((a, b) => a.offset - b.offset).slice(0, NAMED_LETTERS);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
