import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UserError } from '../../errors.ts';
import { Backoff } from '../backoff.ts';
import { DirectoryInUse, DirectoryLock } from '../directory-lock.ts';
import type { LogAggregation } from '../query/aggregation.ts';
import type { LogQuery } from '../query/log-query.ts';
import type { DeadLetter, LogRecord } from '../record/record.ts';
import type { UploadSource } from '../record/source.ts';
import {
  type CountedGroups,
  type FoundRecords,
  type LogQuestions,
  type LogStore,
  type RecordBatch,
  StoreUnavailable,
  type WriteOutcome,
} from '../store/log-store.ts';
import type { LogType } from '../types/log-type.ts';
import { type DrainEvents, Drainer } from './drainer.ts';
import type { Lane } from './lane.ts';
import type { Damage } from './quarantine.ts';
import { Spool } from './spool.ts';
import { encodeLetters, encodeRecords } from './spooled-batch.ts';

/** Milliseconds that a store may take for a batch before the sender is answered without it. */
const SLOW = 5_000;

/** Milliseconds within which a store that is there says so. */
const PING = 4_000;

export interface SpoolingEvents extends DrainEvents {
  /** Records, or dead letters, were spooled. */
  spooled(cluster: string, type: LogType, records: number): void;
  /** The store has not taken a batch that was not spooled before. */
  notTaken(cluster: string, type: LogType, reason: string): void;
  damaged(damage: Damage): void;
}

export interface SpoolingOptions {
  readonly directory: string;
  /** Bytes that the spool may have on disk. */
  readonly size: number;
}

/**
 * A log store that goes on taking records while the one behind it does not: they are synced to disk, and get there in
 * order as soon as they can. What finds no backlog of its lane goes straight to the store.
 */
export class SpoolingStore implements LogStore {
  readonly spool: Spool;
  readonly #store: LogStore;
  readonly #events: SpoolingEvents;
  readonly #lock: DirectoryLock;
  readonly #drainer: Drainer;
  readonly #stopped = new AbortController();
  /** Why the store cannot be reached. */
  #away: string | undefined;
  #watching: Promise<void> | undefined;

  private constructor(store: LogStore, spool: Spool, lock: DirectoryLock, events: SpoolingEvents) {
    this.#store = store;
    this.spool = spool;
    this.#lock = lock;
    this.#events = events;
    this.#drainer = new Drainer({
      spool,
      store,
      events,
      setAside: (...letters) => this.setAside(...letters),
      onFailure: () => this.#watch(),
    });
    for (const backlog of spool.backlogs) this.#drainer.add(backlog);
  }

  /** Also begins to send what is there from before. @throws UserError when the directory cannot be used or is in use. */
  static async open(store: LogStore, options: SpoolingOptions, events: SpoolingEvents): Promise<SpoolingStore> {
    const { directory } = options;
    let lock: DirectoryLock | undefined;
    try {
      lock = DirectoryLock.acquire(directory);
      const spool = await Spool.open({ ...options, onDamage: (damage) => events.damaged(damage) });
      return new SpoolingStore(store, spool, lock, events);
    } catch (error) {
      lock?.release();
      if (error instanceof UserError) throw error;
      throw error instanceof DirectoryInUse ? inUse(directory) : unusable(directory, error);
    }
  }

  async write({ type, source, records }: RecordBatch, signal: AbortSignal): Promise<WriteOutcome> {
    const { cluster } = source;
    const days = Map.groupBy(records, ({ day }) => day);
    const later = new Map([...days].filter(([day]) => this.#mustWait({ cluster, type, day })));
    const now = later.size === 0 ? records : records.filter(({ day }) => !later.has(day));
    const outcome =
      now.length === 0
        ? NOTHING
        : await this.#atOnce(cluster, type, signal, (inTime) =>
            this.#store.write({ type, source, records: now }, inTime),
          );
    await this.#spoolDays(type, source, outcome === undefined ? days : later);
    const spooled = outcome === undefined ? records.length : records.length - now.length;
    return { ...(outcome ?? NOTHING), stored: (outcome?.stored ?? 0) + spooled };
  }

  async setAside(
    letters: readonly DeadLetter[],
    type: LogType,
    source: UploadSource,
    signal: AbortSignal,
  ): Promise<void> {
    const lane = { cluster: source.cluster, type, day: undefined };
    const done = this.#mustWait(lane)
      ? undefined
      : await this.#atOnce(source.cluster, type, signal, async (inTime) => {
          await this.#store.setAside(letters, type, source, inTime);
          return true;
        });
    if (done === undefined) await this.#append(lane, source, letters.length, encodeLetters(letters));
  }

  async search(query: LogQuery, signal: AbortSignal): Promise<FoundRecords> {
    return await this.#store.search(query, signal);
  }

  async aggregate(asked: LogAggregation, signal: AbortSignal): Promise<CountedGroups> {
    return await this.#store.aggregate(asked, signal);
  }

  together(): LogQuestions {
    return this.#store.together();
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#store.ping(signal);
  }

  /** Why the store behind cannot be reached; undefined when it can. */
  async whyAway(signal: AbortSignal): Promise<string | undefined> {
    return this.#away ?? (await this.#ask(signal));
  }

  /** What waits goes on waiting on disk, for the next one to open the directory. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#drainer.close();
    await this.#watching;
    await this.spool.close();
    this.#lock.release();
  }

  #mustWait(lane: Lane): boolean {
    return this.#away !== undefined || this.spool.backlogOf(lane) !== undefined;
  }

  /** undefined when the store does not take it, or not in time; what it may have taken of it will be known to it. */
  async #atOnce<T>(
    cluster: string,
    type: LogType,
    signal: AbortSignal,
    work: (inTime: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), SLOW);
    try {
      return await work(AbortSignal.any([signal, late.signal]));
    } catch (error) {
      if (signal.aborted || !(late.signal.aborted || error instanceof StoreUnavailable)) throw error;
      this.#events.notTaken(cluster, type, late.signal.aborted ? `no answer in ${SLOW / 1000} s` : messageOf(error));
      this.#watch();
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #spoolDays(
    type: LogType,
    source: UploadSource,
    days: ReadonlyMap<string, readonly LogRecord[]>,
  ): Promise<void> {
    const { cluster } = source;
    const appends = [...days].map(([day, records]) =>
      this.#append({ cluster, type, day }, source, records.length, encodeRecords(records)),
    );
    await Promise.all(appends);
  }

  async #append(lane: Lane, source: UploadSource, records: number, body: readonly Buffer[]): Promise<void> {
    const backlog = await this.spool.append(lane, source, records, body);
    this.#events.spooled(lane.cluster, lane.type, records);
    this.#drainer.add(backlog);
  }

  /** Something has failed: if that is since the store is not there at all, nobody shall try before it is back. */
  #watch(): void {
    this.#watching ??= this.#untilThere().finally(() => {
      this.#watching = undefined;
    });
  }

  async #ask(signal: AbortSignal): Promise<string | undefined> {
    const late = AbortSignal.timeout(PING);
    try {
      await this.#store.ping(AbortSignal.any([signal, late]));
      return undefined;
    } catch (error) {
      return late.aborted ? `no answer in ${PING / 1000} s` : messageOf(error);
    }
  }

  async #untilThere(): Promise<void> {
    const { signal } = this.#stopped;
    const backoff = new Backoff();
    while (!signal.aborted) {
      const reason = await this.#ask(signal);
      if (reason === undefined) {
        // Otherwise only some index is not in order, and what waits for that waits as long as it has to.
        if (this.#away !== undefined) this.#drainer.resume();
        this.#away = undefined;
        return;
      }
      this.#away = reason;
      this.#drainer.pause();
      await sleep(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }
}

const NOTHING: WriteOutcome = { stored: 0, known: 0, differing: 0, refused: [] };

function inUse(directory: string): UserError {
  return new UserError(`error: another "kubectl mcm manager" is at work with the spool ${directory}`, {
    hint: 'wait until that one has ended, or give this one a directory of its own with --spool',
  });
}

function unusable(directory: string, error: unknown): UserError {
  return new UserError(`error: cannot use the spool ${directory}: ${messageOf(error)}`, {
    hint: 'make it a directory that can be written, or give another one with --spool',
    cause: error,
  });
}
