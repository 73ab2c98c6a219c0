import { errors, type estypes } from '@elastic/elasticsearch';
import type { Cursor } from '../../query/cursor.ts';
import { type LogQuery, MAX_ANSWER_BYTES, type Order } from '../../query/log-query.ts';
import { mostToScan } from '../../query/scan.ts';
import type { LogTypeName } from '../../types/log-type.ts';
import { FoundRecord, type FoundRecords } from '../log-store.ts';
import { DEAD_LETTERS } from '../retention.ts';
import { unavailable } from './bulk.ts';
import type { IndexNames } from './index-names.ts';
import type { JoinedSearches } from './joined-searches.ts';
import { onceStarted, requestFor } from './request.ts';
import type { ScanLimit } from './scan-limit.ts';
import type { TextHit } from './search-answer.ts';

/** Records asked for first, and at most at once where they have turned out to be short: each page costs a search. */
const FIRST_PAGE = 500;
const LARGEST_PAGE = 5_000;

/**
 * The matching records in their order. They are read in pages, so that neither end ever holds more than MAX_ANSWER_BYTES
 * and a page of them, whatever somebody asks for. Each page goes on behind the last record of the one before, by what
 * never changes of a record, so nothing is read twice or left out whatever is stored meanwhile.
 *
 * @throws StoreUnavailable, ScanTooWide
 */
export async function searchRecords(
  searches: JoinedSearches,
  names: IndexNames,
  query: LogQuery,
  limit: ScanLimit,
  signal: AbortSignal,
): Promise<FoundRecords> {
  const most = mostToScan(query, limit.mostScanned);
  try {
    return await limit.keep(query, most, (limited) => new Search(searches, names, query, limited).read(), signal);
  } catch (error) {
    // What is wrong here itself is no matter of Elasticsearch's.
    if (signal.aborted || !(error instanceof errors.ElasticsearchClientError)) throw error;
    throw unavailable(error);
  }
}

class Search {
  readonly #searches: JoinedSearches;
  readonly #names: IndexNames;
  readonly #query: LogQuery;
  readonly #signal: AbortSignal;
  readonly #request: estypes.SearchRequest;
  /** Of the indices that have answered. */
  readonly #types = new Map<string, LogTypeName>();

  constructor(searches: JoinedSearches, names: IndexNames, query: LogQuery, signal: AbortSignal) {
    this.#searches = searches;
    this.#names = names;
    this.#query = query;
    this.#signal = signal;
    this.#request = { ...requestFor(names, query), sort: sortBy(query.order) };
  }

  async read(): Promise<FoundRecords> {
    const { limit } = this.#query;
    const records: FoundRecord[] = [];
    let bytes = 0;
    let size = FIRST_PAGE;
    let last = this.#query.after;
    while (records.length < limit) {
      const wanted = Math.min(size, limit - records.length);
      const hits = await this.#page(wanted, last);
      if (hits === undefined) {
        size = Math.max(1, Math.floor(wanted / 8));
        continue;
      }
      let before: TextHit | undefined;
      for (const hit of hits) {
        bytes += Buffer.byteLength(hit._source);
        if (bytes > MAX_ANSWER_BYTES && records.length > 0) return { records, next: this.#cursorOf(before) ?? last };
        records.push(new FoundRecord(this.#typeOf(hit._index), hit._id, hit._source));
        before = hit;
      }
      if (hits.length < wanted) return { records, next: undefined };
      last = this.#cursorOf(before);
      // As many as the answer has room for, if the next are as long.
      size = Math.min(LARGEST_PAGE, Math.ceil(((MAX_ANSWER_BYTES - bytes) * records.length) / bytes) + 1);
    }
    return { records, next: last };
  }

  /** The next records; undefined where so many of them are too long for one answer. */
  async #page(size: number, after: Cursor | undefined): Promise<readonly TextHit[] | undefined> {
    return await onceStarted(() => this.#ask(size, after), this.#signal);
  }

  async #ask(size: number, after: Cursor | undefined): Promise<readonly TextHit[] | undefined> {
    const from = after === undefined ? {} : { search_after: behind(after, this.#query.order) };
    try {
      const { hits } = await this.#searches.search({ ...this.#request, size, ...from }, this.#signal);
      return hits?.hits ?? [];
    } catch (error) {
      if (error instanceof errors.RequestAbortedError && size > 1) return undefined;
      throw error;
    }
  }

  #typeOf(index: string): LogTypeName {
    const known = this.#types.get(index) ?? this.#typeNamed(index);
    this.#types.set(index, known);
    return known;
  }

  /** @throws Error where it is nothing of what was asked for, whatever the filters say */
  #typeNamed(index: string): LogTypeName {
    const { kept, cluster } = this.#names.parse(index) ?? {};
    if (kept === undefined || kept === DEAD_LETTERS) throw new Error(`an index of no known type answered: ${index}`);
    const isAsked = cluster === undefined || this.#query.clusters.includes(cluster);
    if (!isAsked) throw new Error(`an index answered of a cluster that was not asked for: ${index}`);
    return kept;
  }

  #cursorOf(hit: TextHit | undefined): Cursor | undefined {
    return hit === undefined ? undefined : cursorOf(JSON.parse(hit.sort) as estypes.SortResults, this.#query.order);
  }
}

/**
 * All records of one cluster that have one time and arrival are in one shard of one index, where each has a number of its
 * own. So none are equal, and the order is always the same.
 */
function sortBy(order: Order): estypes.Sort {
  const way = order === 'desc' ? 'desc' : 'asc';
  const times = [{ '@timestamp': way }, { ingested: way }] as const;
  const place = [{ _index: way }, { cluster: way }, { _seq_no: way }] as const;
  return [...(order === 'arrival' ? times.toReversed() : times), ...place];
}

function behind({ time, ingested, place, cluster, number }: Cursor, order: Order): estypes.SortResults {
  const times = order === 'arrival' ? [ingested, time] : [time, ingested];
  return [...times, place, cluster, number];
}

function cursorOf(sort: estypes.SortResults, order: Order): Cursor {
  const [first, second, place, cluster, number] = sort;
  const [time, ingested] = order === 'arrival' ? [second, first] : [first, second];
  return {
    time: Number(time),
    ingested: Number(ingested),
    place: String(place),
    cluster: String(cluster),
    number: Number(number),
  };
}
