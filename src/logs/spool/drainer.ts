import { messageOf } from '../../errors.ts';
import { Backoff } from '../backoff.ts';
import type { DeadLetter, LogRecord } from '../record/record.ts';
import type { UploadSource } from '../record/source.ts';
import { type LogStore, StoreUnavailable, type WriteOutcome } from '../store/log-store.ts';
import type { LogType } from '../types/log-type.ts';
import type { Backlog, Waiting } from './backlog.ts';
import { isSameSource, type Lane } from './lane.ts';
import type { Spool } from './spool.ts';
import { decodeLetters, decodeRecords } from './spooled-batch.ts';

/** Batches under way at once, of all lanes together; each is some MiB in memory, several times over. */
const AT_ONCE = 4;

/** Milliseconds after which a lane that is held back is tried again at the latest. */
const LONGEST_PAUSE = 60_000;

/** Small batches of one lane are written together, up to about so much. */
const MOST_BYTES = 4 * 1024 * 1024;
const MOST_RECORDS = 5_000;
const MOST_FRAMES = 256;

/** A frame taken apart. */
interface Batch {
  readonly head: Buffer;
  readonly source: UploadSource;
  /** One of the two is empty. */
  readonly records: readonly LogRecord[];
  readonly letters: readonly DeadLetter[];
}

/** What became of records that were spooled; the counts add up to them. */
export interface DrainOutcome extends Omit<WriteOutcome, 'refused'> {
  /** Dead letters. */
  readonly setAside: number;
}

export interface DrainEvents {
  /** Records wait no more. */
  drained(cluster: string, type: LogType, outcome: DrainOutcome): void;
  /** The store does not take what comes next in this lane. */
  heldBack(lane: Lane, reason: string): void;
}

export interface DrainOptions {
  readonly spool: Spool;
  readonly store: LogStore;
  readonly events: DrainEvents;
  /** Takes dead letters of records that the store refused. @throws StoreUnavailable */
  readonly setAside: LogStore['setAside'];
  /** Told when the store did not take something: is it there at all? */
  readonly onFailure: () => void;
}

/**
 * Gets what is spooled into the store: each lane in order, the lanes in turns. A lane that is held back waits longer each
 * time, and no other one waits for it.
 */
export class Drainer {
  readonly #options: DrainOptions;
  readonly #stopped = new AbortController();
  /** Lanes whose turn will come, and those that had one and are not done. */
  readonly #ready = new Set<Backlog>();
  readonly #held = new Map<Backlog, { readonly backoff: Backoff; timer: NodeJS.Timeout | undefined }>();
  readonly #underWay = new Map<Backlog, Promise<void>>();
  #paused = false;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  /** Something waits in this backlog. */
  add(backlog: Backlog): void {
    if (this.#underWay.has(backlog) || this.#held.get(backlog)?.timer !== undefined) return;
    this.#ready.add(backlog);
    this.#fill();
  }

  /** The store is not there: begins nothing more. */
  pause(): void {
    this.#paused = true;
  }

  /** It is there: also for those that have failed without it. */
  resume(): void {
    this.#paused = false;
    for (const [backlog, held] of this.#held) {
      if (held.timer === undefined) continue;
      clearTimeout(held.timer);
      held.timer = undefined;
      this.#ready.add(backlog);
    }
    this.#fill();
  }

  /** Resolves once nothing is under way any more. What waits goes on waiting on disk. */
  async close(): Promise<void> {
    this.#stopped.abort();
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    await Promise.all(this.#underWay.values());
  }

  #fill(): void {
    for (const backlog of this.#ready) {
      if (this.#paused || this.#stopped.signal.aborted || this.#underWay.size >= AT_ONCE) return;
      this.#ready.delete(backlog);
      this.#underWay.set(backlog, this.#turn(backlog));
    }
  }

  /** Never rejects. */
  async #turn(backlog: Backlog): Promise<void> {
    let failure: unknown;
    try {
      await this.#drain(backlog);
      this.#held.delete(backlog);
    } catch (error) {
      failure = error;
    }
    this.#underWay.delete(backlog);
    if (this.#stopped.signal.aborted) return;
    if (failure !== undefined) this.#holdBack(backlog, failure);
    else if (!backlog.empty) this.#ready.add(backlog);
    this.#fill();
  }

  #holdBack(backlog: Backlog, error: unknown): void {
    const held = this.#held.get(backlog) ?? { backoff: new Backoff(LONGEST_PAUSE), timer: undefined };
    this.#held.set(backlog, held);
    held.timer = setTimeout(() => {
      held.timer = undefined;
      this.add(backlog);
    }, held.backoff.next());
    const { events, onFailure } = this.#options;
    const fault = error instanceof StoreUnavailable ? error.fault : 'Unknown';
    backlog.heldBack = { fault, message: messageOf(error), time: Date.now() };
    events.heldBack(backlog.lane, messageOf(error));
    onFailure();
  }

  async #drain(backlog: Backlog): Promise<void> {
    const { spool, events } = this.#options;
    const { lane } = backlog;
    const batches = await this.#next(backlog);
    const [first] = batches;
    if (first === undefined) return;
    // Thousands of lanes may be held back for one reason: a single record finds out whether that is so still.
    if (backlog.heldBack !== undefined) await this.#write(lane, first.source, [oneOf(first)]);
    const outcome = await this.#write(lane, first.source, batches);
    backlog.heldBack = undefined;
    for (const { head } of batches) await spool.done(backlog, head);
    events.drained(lane.cluster, lane.type, outcome);
  }

  /** The oldest batches of a backlog, all of one source. What cannot be read is given up when its turn comes. */
  async #next(backlog: Backlog): Promise<Batch[]> {
    const batches: Batch[] = [];
    let [bytes, records] = [0, 0];
    for (const frame of backlog.first(MOST_FRAMES)) {
      bytes += frame.length;
      records += frame.records;
      if (batches.length > 0 && (bytes > MOST_BYTES || records > MOST_RECORDS)) break;
      const batch = await this.#read(backlog.lane, frame);
      if (batch === undefined) {
        if (batches.length === 0) await this.#options.spool.giveUp(backlog);
        break;
      }
      if (!isSameSource(batch.source, (batches[0] ?? batch).source)) break;
      batches.push(batch);
    }
    return batches;
  }

  async #read({ day }: Lane, frame: Waiting): Promise<Batch | undefined> {
    const read = await this.#options.spool.read(frame);
    if (read === undefined) return undefined;
    const { head, body, spooled } = read;
    try {
      const records = day === undefined ? [] : decodeRecords(body, day);
      const letters = day === undefined ? decodeLetters(body) : [];
      return { head, source: spooled.source, records, letters };
    } catch {
      return undefined;
    }
  }

  async #write({ type, day }: Lane, source: UploadSource, batches: readonly Batch[]): Promise<DrainOutcome> {
    const { store, setAside } = this.#options;
    const { signal } = this.#stopped;
    if (day === undefined) {
      const letters = batches.flatMap((batch) => batch.letters);
      await store.setAside(letters, type, source, signal);
      return { stored: 0, known: 0, differing: 0, setAside: letters.length };
    }
    const records = batches.flatMap((batch) => batch.records);
    const { refused, ...counts } = await store.write({ type, source, records }, signal);
    if (refused.length > 0) await setAside(refused, type, source, signal);
    return { ...counts, setAside: refused.length };
  }
}

function oneOf({ records, letters, ...batch }: Batch): Batch {
  return { ...batch, records: records.slice(0, 1), letters: letters.slice(0, 1) };
}
