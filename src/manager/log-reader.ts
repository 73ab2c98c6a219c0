import { UserError } from '../errors.ts';
import { ConnectionError } from '../kube/client.ts';
import { failure, StatusError } from '../kube/status.ts';
import { type LogAggregation, parseAggregation } from '../logs/query/aggregation.ts';
import { formatCursor } from '../logs/query/cursor.ts';
import { type LogQuery, parseParameters } from '../logs/query/log-query.ts';
import { type LogTop, topOf } from '../logs/query/log-top.ts';
import type { Disconnected, Shortcoming, Unsent } from '../logs/query/shortcoming.ts';
import type { Backlog } from '../logs/spool/backlog.ts';
import {
  type FoundRecord,
  type FoundRecords,
  type LogQuestions,
  type LogStore,
  StoreUnavailable,
} from '../logs/store/log-store.ts';
import type { LogType, StoredRecord } from '../logs/types/log-type.ts';
import { TooManyWaiting, Turns } from '../turns.ts';
import type { Answer, JsonItems } from './aggregated-api.ts';
import { withGaps } from './answer-gaps.ts';
import { refuse } from './refuse.ts';
import { waitingIn } from './waiting-records.ts';

export interface LogReaderOptions {
  readonly store: LogStore;
  /** Since when a cluster's records may be missing, in milliseconds since 1970; undefined for one that is connected. */
  readonly silentSince: (cluster: string) => number | undefined;
  /** What forwarders have said that they have still to send, of what a query is about. */
  readonly unsent?: (query: LogQuery, now: number) => readonly Unsent[];
  /** What waits in the spool, where there is one. */
  readonly backlogs?: () => Iterable<Backlog>;
  /** Milliseconds that one read may take. */
  readonly readTime?: number;
}

/** What a read of logs answers. */
export interface LogList {
  readonly kind: 'LogList';
  readonly apiVersion: string;
  readonly metadata: { readonly continue?: string };
  /** RFC 3339, by the manager's clock: whatever is not there yet is stored with a later `ingested`, or was about to be. */
  readonly asOf: string;
  readonly shortcomings: readonly Shortcoming[];
  readonly items: readonly LogItem[];
}

/** A record as it is given out. The type and the id are ours to say, whatever the sender wrote there. */
export type LogItem = StoredRecord & { readonly log_type: string; readonly log_id: string };

/** The largest groups instead. */
export interface LogTopAnswer extends LogTop, Omit<LogList, 'kind' | 'items'> {
  readonly kind: 'LogTop';
}

/** What an Answer has of a read: of a LogList the items are beside it, in JSON. */
export interface Found {
  readonly body: Omit<LogList, 'items'> | LogTopAnswer;
  readonly items?: JsonItems;
}

/** @throws StoreUnavailable, TooManyWaiting, TookTooLong; UserError for more than can be counted */
export type Read = (
  apiVersion: string,
  /** What the caller may read of what is asked for. */
  allowed: Pick<LogQuery, 'clusters' | 'types'>,
  signal: AbortSignal,
) => Promise<Found>;

const NO_RECORDS: FoundRecords = { records: [], next: undefined };
const NO_GROUPS = { count: 0, rows: [], totals: [], next: undefined };

/** Reads at once: each may hold an answer of MAX_ANSWER_BYTES in memory, several times over. */
const MOST_READS = 4;
const MOST_WAITING = 200;

/** Milliseconds that one read may take: a store says by itself after 30 seconds that it cannot, kube-apiserver after 60. */
const READ_TIME = 25_000;

/** Reads logs for whoever has been found to be allowed to, so many reads at once, and says what an answer lacks. */
export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #turns = new Turns({ atOnce: MOST_READS, waiting: MOST_WAITING });

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /**
   * Understands what is asked of logs of these types: their records, or where there is a `by`, what there is of them in
   * groups. @throws UserError for parameters that are none
   */
  understand(parameters: URLSearchParams, types: readonly LogType[]): Read {
    if (parameters.has('by')) {
      const asked = parseAggregation(parameters, types);
      return (apiVersion, allowed, signal) => this.#count(apiVersion, { ...allowed, ...asked }, signal);
    }
    const asked = parseParameters(parameters, types);
    return (apiVersion, allowed, signal) => this.#list(apiVersion, { ...allowed, ...asked }, signal);
  }

  async #list(apiVersion: string, query: LogQuery, signal: AbortSignal): Promise<Found> {
    const { found, ...said } = await this.#look(
      query,
      NO_RECORDS,
      (questions, limited) => questions.search(query, limited),
      signal,
    );
    const { records, next } = found;
    const metadata = next === undefined ? {} : { continue: formatCursor(next) };
    const items = { length: records.length, [Symbol.iterator]: () => itemsOf(records) };
    return { body: { kind: 'LogList', apiVersion, metadata, ...said }, items };
  }

  async #count(apiVersion: string, asked: LogAggregation, signal: AbortSignal): Promise<Found> {
    // All of them at once: there is nothing to go on with.
    const records = { ...asked, arrivedSince: undefined, order: 'asc', after: undefined } as const;
    const { found, ...said } = await this.#look(
      records,
      NO_GROUPS,
      async (questions, limited) => ({ next: undefined, ...(await questions.aggregate(asked, limited)) }),
      signal,
    );
    return { body: { kind: 'LogTop', apiVersion, metadata: {}, ...said, ...topOf(found, asked) } };
  }

  /** What the store has of what is asked for, if there is any cluster left to ask about, and what that lacks. */
  async #look<T extends Pick<FoundRecords, 'next'>>(
    query: LogQuery,
    nothing: T,
    look: (questions: LogQuestions, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<Pick<LogList, 'asOf' | 'shortcomings'> & { readonly found: T }> {
    const { store, readTime = READ_TIME } = this.#options;
    const asOf = new Date().toISOString();
    if (query.clusters.length === 0) return { found: nothing, asOf, shortcomings: [] };
    const { found, gaps } = await this.#turns.take(
      () =>
        inTime(
          (limited) => withGaps(store.together(), query, (questions) => look(questions, limited), limited),
          readTime,
          signal,
        ),
      signal,
    );
    const { unsent, backlogs } = this.#options;
    const now = Date.now();
    const late = [...(unsent?.(query, now) ?? []), ...waitingIn(backlogs?.() ?? [], query, now)];
    return { found, asOf, shortcomings: [...this.#disconnected(query), ...late, ...gaps] };
  }

  #disconnected({ clusters, until = Number.POSITIVE_INFINITY }: LogQuery): readonly Disconnected[] {
    return clusters.flatMap((cluster) => {
      const since = this.#options.silentSince(cluster);
      if (since === undefined || since >= until) return [];
      return [{ kind: 'Disconnected', cluster, since: new Date(since).toISOString() }];
    });
  }
}

/** A LogItem in JSON. A record is passed on as it is stored, but for what is ours to say. */
function itemOf(found: FoundRecord): string {
  const { type, id, json } = found;
  const ours: Pick<LogItem, 'log_type' | 'log_id'> = { log_type: type, log_id: id };
  if (maySayOurs(json)) return JSON.stringify({ ...found.record, ...ours });
  return `${json.slice(0, -1)},${JSON.stringify(ours).slice(1)}`;
}

function* itemsOf(records: readonly FoundRecord[]): Generator<string> {
  for (const record of records) yield itemOf(record);
}

/** Whether there may be a member of ours in a record, however it is written, or none before which ours could stand. */
function maySayOurs(json: string): boolean {
  // First what is found soonest; most records have neither.
  const isPlain = !json.includes('\\') && !json.includes('log_');
  return isPlain ? json === '{}' : /"log_|\\u/.test(json);
}

/** A read went on for longer than anyone waits. */
class TookTooLong extends Error {
  constructor(milliseconds: number) {
    super(`the log store was still looking after ${milliseconds / 1000} s: ask for less time, or by fewer wildcards`);
  }
}

/**
 * Gives up after so many milliseconds; Elasticsearch stops as well when nobody waits for its answer. @throws TookTooLong
 */
async function inTime<T>(
  read: (signal: AbortSignal) => Promise<T>,
  milliseconds: number,
  signal: AbortSignal,
): Promise<T> {
  const timeout = AbortSignal.timeout(milliseconds);
  try {
    return await read(AbortSignal.any([signal, timeout]));
  } catch (error) {
    throw timeout.aborted && !signal.aborted ? new TookTooLong(milliseconds) : error;
  }
}

/** What to tell of a read that failed. @throws what is no failure that anyone was to expect */
export function explainFailure(error: unknown): Answer {
  if (error instanceof StatusError || error instanceof ConnectionError) {
    return refuse(failure(503, 'ServiceUnavailable', `cannot ask who may read this: ${error.message}`));
  }
  if (error instanceof UserError) return refuse(failure(400, 'BadRequest', error.message));
  if (error instanceof StoreUnavailable) {
    return refuse(failure(503, 'ServiceUnavailable', `the log store does not answer: ${error.message}`));
  }
  if (error instanceof TookTooLong) return refuse(failure(504, 'Timeout', error.message));
  if (error instanceof TooManyWaiting) {
    return refuse(failure(429, 'TooManyRequests', `too many reads of logs are under way: ${error.message}`));
  }
  throw error;
}
