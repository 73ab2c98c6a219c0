import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { errors, type estypes } from '@elastic/elasticsearch';
import type { LogQuery } from '../../query/log-query.ts';
import { compileFilter, storedFields } from './compile-filter.ts';
import type { IndexNames } from './index-names.ts';

type Query = estypes.QueryDslQueryContainer;

/** What of a query says which records. */
export type Asked = Pick<LogQuery, 'types' | 'clusters' | 'since' | 'until' | 'arrivedSince' | 'filter'>;

/** Milliseconds that a day's index has to start when it is just being made, and how often. */
const SHARD_STARTS = 250;
const ATTEMPTS = 8;

/** A request that looks at what is asked for, and all of it; without what to do with it. */
export function requestFor(names: IndexNames, query: Asked): estypes.SearchRequest {
  const { types, clusters, since, until } = query;
  const places = types.map((type) => names.reading(type, clusters, since, until));
  const [first] = places;
  const stored = storedFields(query.filter);
  return {
    index: places.flatMap(({ patterns }) => patterns),
    // Only a hint where to look: the filters say what is found.
    ...(first?.routing === undefined ? {} : { routing: first.routing }),
    // The same copies of the shards for each page: another may be a second behind.
    preference: preferenceOf(clusters),
    ignore_unavailable: true,
    allow_partial_search_results: false,
    track_total_hits: false,
    ...(Object.keys(stored).length === 0 ? {} : { runtime_mappings: stored }),
    query: { bool: { filter: filters(query) } },
  };
}

/** The same for the same clusters; and as short for many as for one. */
function preferenceOf(clusters: readonly string[]): string {
  const [first = ''] = clusters;
  return clusters.length === 1 ? first : createHash('sha256').update(clusters.join()).digest('hex');
}

function filters(query: Asked): Query[] {
  const { filter } = query;
  return [clusterFilter(query), ...timeFilters(query), ...(filter === undefined ? [] : [compileFilter(filter)])];
}

/** Whatever the names of indices say: so no mistake in them can show another's logs. */
export function clusterFilter({ clusters }: Asked): Query {
  return { terms: { cluster: [...clusters] } };
}

export function timeFilters({ since, until, arrivedSince }: Asked): Query[] {
  const times = {
    ...(since === undefined ? {} : { gte: since }),
    ...(until === undefined ? {} : { lt: until }),
  };
  const format = 'epoch_millis';
  return [
    ...(Object.keys(times).length === 0 ? [] : [{ range: { '@timestamp': { ...times, format } } }]),
    ...(arrivedSince === undefined ? [] : [{ range: { ingested: { gte: arrivedSince, format } } }]),
  ];
}

/** Asks again while a day's index is being made. */
export async function onceStarted<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === ATTEMPTS || !mayBeStarting(error)) throw error;
      await sleep(SHARD_STARTS, undefined, { signal });
    }
  }
}

/** Elasticsearch cannot tell an index that it is making from one that it has lost; a moment later it can. */
function mayBeStarting(error: unknown): boolean {
  if (!(error instanceof errors.ResponseError) || error.statusCode !== 503) return false;
  const { error: cause } = (error.body ?? {}) as { readonly error?: { readonly type?: string } };
  return cause?.type === 'search_phase_execution_exception';
}
