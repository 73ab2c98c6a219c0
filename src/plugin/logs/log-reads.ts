import { FLEET_API, FLEET_API_GROUP } from '../../install/management.ts';
import type { KubeClient, Query } from '../../kube/client.ts';
import { isStatus, type StatusError } from '../../kube/status.ts';
import { type AggregationParameters, formatAggregation } from '../../logs/query/aggregation.ts';
import { formatParameters, MOST_CLUSTERS, type QueryParameters } from '../../logs/query/log-query.ts';
import type { Refused, Shortcoming } from '../../logs/query/shortcoming.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import type { LogItem as AnsweredItem, LogList, LogTopAnswer } from '../../manager/log-reader.ts';
import { LOG_ACCESS_API, LOG_ACCESS_GROUP } from '../../rbac/log-access.ts';
import type { Turns } from '../../turns.ts';
import { NO_MANAGEMENT_CLUSTER } from '../no-management.ts';
import { type LogPage, readPage } from './log-page.ts';

/** A record as the aggregated API gives it out. */
export type LogItem = AnsweredItem & { readonly '@timestamp': number; readonly ingested: number };

/** A record with what it was asked for as. */
export interface FoundItem {
  readonly cluster: string;
  readonly type: LogType;
  readonly item: LogItem;
}

/** The logs of one type of as many clusters as one request is for. */
export interface LogSubjects {
  readonly clusters: readonly string[];
  readonly type: LogType;
}

/** What to read of them. */
export interface LogSource extends LogSubjects {
  readonly parameters: Omit<QueryParameters, 'after'>;
}

/** What to count of them. */
export interface TopSource extends LogSubjects {
  readonly parameters: AggregationParameters;
}

/** A part of what a source has, and what is said with it. */
export interface Page extends Pick<LogList, 'shortcomings'> {
  readonly items: readonly FoundItem[];
  /** undefined where nothing of it may be read. */
  readonly asOf: string | undefined;
}

/** Bytes of names in one request: what stands between us and kube-apiserver often takes 8 KB for its first line. */
const LONGEST_NAMES = 4_096;

/** The clusters as they are asked for together. */
export function groupsOf(clusters: readonly string[]): readonly (readonly string[])[] {
  const groups: string[][] = [];
  let room = 0;
  for (const cluster of clusters) {
    const last = groups.at(-1);
    room -= cluster.length + 1;
    if (last !== undefined && room >= 0 && last.length < MOST_CLUSTERS) last.push(cluster);
    else {
      groups.push([cluster]);
      room = LONGEST_NAMES - cluster.length - 1;
    }
  }
  return groups;
}

export interface LogReadsOptions {
  readonly client: KubeClient;
  /** So many requests at once. */
  readonly turns: Turns;
  readonly signal: AbortSignal;
  /** Milliseconds until a request is given up; undefined where the client's own time counts. */
  readonly patience?: number;
}

/**
 * Reads logs through kube-apiserver, in pages. One cluster is asked for under its own name, so that kube-apiserver's own
 * RBAC and audit log see it; several are asked for together.
 */
export class LogReads {
  readonly #options: LogReadsOptions;

  constructor(options: LogReadsOptions) {
    this.#options = options;
  }

  /** The records of a source page after page. What is refused is a shortcoming; anything else that fails is thrown. */
  async *pages(source: LogSource): AsyncGenerator<Page, void, void> {
    const { type } = source;
    let granted: string | undefined;
    let from: string | undefined;
    do {
      const found = await this.#first(source, granted, queryOf(source, from), (...asked) =>
        this.#get<LogList>(...asked),
      );
      if ('refused' in found) {
        yield { items: [], asOf: undefined, shortcomings: [found.refused] };
        return;
      }
      const list = found.answer;
      granted = found.path;
      from = list.metadata.continue;
      const items = (list.items as readonly LogItem[]).map((item) => ({ cluster: String(item.cluster), type, item }));
      const refused = list.shortcomings.filter(({ kind }) => kind === 'Refused').length;
      yield {
        items,
        asOf: refused === source.clusters.length ? undefined : list.asOf,
        shortcomings: list.shortcomings,
      };
    } while (from !== undefined);
  }

  /**
   * One page of a source as lines, from where the one before ended, in this process or an earlier one. `granted` is the path
   * of an earlier page. Resolves once it is known where the next page begins.
   */
  async page(source: LogSource, from: string | undefined, granted?: string): Promise<Read<LogPage>> {
    return await this.#first(source, granted, queryOf(source, from), (...asked) => this.#stream(...asked));
  }

  /** The largest groups of a source; undefined with the refusal where nothing of it may be counted. */
  async top(
    source: TopSource,
  ): Promise<{ readonly answer: LogTopAnswer | undefined; readonly shortcomings: readonly Shortcoming[] }> {
    const query = { ...subjectsOf(source), ...Object.fromEntries(formatAggregation(source.parameters)) };
    const found = await this.#first(source, undefined, query, (...asked) => this.#get<LogTopAnswer>(...asked));
    if ('refused' in found) return { answer: undefined, shortcomings: [found.refused] };
    return { answer: found.answer, shortcomings: found.answer.shortcomings };
  }

  /** Reads under the path that was granted before, or the first one that is not forbidden. */
  async #first<T>(
    source: LogSubjects,
    granted: string | undefined,
    query: Query,
    ask: (path: string, query: Query, signal: AbortSignal) => Promise<T>,
  ): Promise<Read<T>> {
    const { turns, signal, patience } = this.#options;
    let forbidden: StatusError | undefined;
    for (const path of granted === undefined ? pathsOf(source) : [granted]) {
      try {
        const answer = await turns.take(() => {
          const limited = patience === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(patience)]);
          return ask(path, query, limited);
        }, signal);
        return { answer, path };
      } catch (error) {
        if (source.clusters.length > 1) throw withHint(error, FLEET_API_GROUP);
        if (isNotFound(error)) return { refused: refusal(source, error) };
        if (!isStatus(error, 403)) throw withHint(error, LOG_ACCESS_GROUP);
        forbidden ??= error;
      }
    }
    if (forbidden === undefined) throw new Error(`${source.type.name} can be granted under no name`);
    return { refused: refusal(source, forbidden) };
  }

  async #get<T>(path: string, query: Query, signal: AbortSignal): Promise<T> {
    return await this.#options.client.get<T>(path, { query, signal });
  }

  async #stream(path: string, query: Query, signal: AbortSignal): Promise<LogPage> {
    const body = await this.#options.client.stream(path, { query, signal, idleTimeout: IDLE_TIMEOUT });
    return await readPage(body);
  }
}

/** Milliseconds without a byte of a page: the manager gives a read up before. */
const IDLE_TIMEOUT = 60_000;

/** An answer, and the path under which it was granted. */
type Read<T> = { readonly answer: T; readonly path: string } | { readonly refused: Refused };

function queryOf(source: LogSource, from: string | undefined): Query {
  return { ...subjectsOf(source), ...Object.fromEntries(formatParameters(source.parameters)), continue: from };
}

function subjectsOf({ clusters, type }: LogSubjects): Query {
  return clusters.length === 1 ? { type: type.name } : { clusters: clusters.join() };
}

/** For one cluster, under the names that can have been granted, most particular first. */
function pathsOf({ clusters, type }: LogSubjects): readonly string[] {
  const [first = '', ...more] = clusters;
  if (more.length > 0) return [`/apis/${FLEET_API}/logs/${type.name}`];
  return type.grants.map((grant) => `/apis/${LOG_ACCESS_API}/${encodeURIComponent(first)}/${grant}`);
}

/** A 404 that names no object is about the API itself. */
function isNotFound(error: unknown): error is StatusError {
  return isStatus(error, 404) && error.status.details?.name !== undefined;
}

function refusal({ clusters: [cluster = ''], type }: LogSubjects, { code, status, message }: StatusError): Refused {
  const reason = code === 404 ? 'NotFound' : 'Forbidden';
  return { kind: 'Refused', cluster, type: type.name, reason, message: status.message ?? message };
}

function withHint(error: unknown, group: string): unknown {
  if (isStatus(error, 503)) return error.withHint(`Is the manager running? kubectl get apiservice v1.${group}`);
  if (isStatus(error, 404)) {
    return error.withHint(NO_MANAGEMENT_CLUSTER);
  }
  if (isStatus(error, 403)) {
    return error.withHint(
      'Several clusters are asked for by a right that "kubectl mcm install management" gives everybody',
    );
  }
  return error;
}
