import { errors, type estypes } from '@elastic/elasticsearch';
import type { Cursor } from '../../query/cursor.ts';
import { type LogQuery, MAX_ANSWER_BYTES } from '../../query/log-query.ts';
import { mostToScan, ScanTooWide } from '../../query/scan.ts';
import type { LogTypeName } from '../../types/log-type.ts';
import { FoundRecord, type FoundRecords } from '../log-store.ts';
import { DEAD_LETTERS } from '../retention.ts';
import { unavailable } from './bulk.ts';
import type { IndexNames } from './index-names.ts';
import type { JoinedSearches } from './joined-searches.ts';
import type { PageSizes } from './page-sizes.ts';
import { onceStarted, requestFor } from './request.ts';
import type { ScanLimit } from './scan-limit.ts';
import type { TextHit } from './search-answer.ts';
import { Spans } from './spans.ts';

/**
 * The matching records in their order. They are read in pages, so that neither end ever holds more than MAX_ANSWER_BYTES
 * and a page of them, whatever somebody asks for. Each page goes on behind the last record of the one before, by what
 * never changes of a record, so nothing is read twice or left out whatever is stored meanwhile. Only what is looked through
 * for them counts for the limit: the newest of a fleet are in its last hour, whatever time is asked for.
 *
 * @throws StoreUnavailable, ScanTooWide
 */
export async function searchRecords(
  searches: JoinedSearches,
  names: IndexNames,
  query: LogQuery,
  limit: ScanLimit,
  sizes: PageSizes,
  signal: AbortSignal,
): Promise<FoundRecords> {
  const spans = new Spans(query, Date.now());
  for (;;) {
    try {
      return await new Search(searches, names, query, limit, sizes, signal).read(spans);
    } catch (error) {
      if (error instanceof ScanTooWide && spans.shorten()) continue;
      // What is wrong here itself is no matter of Elasticsearch's.
      if (signal.aborted || !(error instanceof errors.ElasticsearchClientError)) throw error;
      throw unavailable(error);
    }
  }
}

class Search {
  readonly #searches: JoinedSearches;
  readonly #names: IndexNames;
  readonly #query: LogQuery;
  readonly #limit: ScanLimit;
  readonly #sizes: PageSizes;
  readonly #signal: AbortSignal;
  /** Of the indices that have answered. */
  readonly #types = new Map<string, LogTypeName>();
  readonly #records: FoundRecord[] = [];
  #bytes = 0;
  /** The last record that was read, by this query or the one before. */
  #last: Cursor | undefined;

  constructor(
    searches: JoinedSearches,
    names: IndexNames,
    query: LogQuery,
    limit: ScanLimit,
    sizes: PageSizes,
    signal: AbortSignal,
  ) {
    this.#searches = searches;
    this.#names = names;
    this.#query = query;
    this.#limit = limit;
    this.#sizes = sizes;
    this.#signal = signal;
    this.#last = query.after;
  }

  async read(spans: Spans): Promise<FoundRecords> {
    const most = mostToScan(this.#query, this.#limit.mostScanned);
    for (let span = spans.next(0); span !== undefined; span = spans.next(this.#records.length)) {
      const request = { ...requestFor(this.#names, { ...this.#query, ...span }), sort: sortBy(this.#query) };
      const readAll = (signal: AbortSignal) => this.#readAll(request, signal);
      const hadRoom = await this.#limit.keep(this.#query, spans.looked, most, readAll, this.#signal);
      if (!hadRoom) return { records: this.#records, next: this.#last };
    }
    return { records: this.#records, next: undefined };
  }

  /** Everything that a request finds; whether there was room for it. */
  async #readAll(request: estypes.SearchRequest, signal: AbortSignal): Promise<boolean> {
    const { limit, types } = this.#query;
    while (this.#records.length < limit) {
      const wanted = Math.min(this.#sizes.of(types, MAX_ANSWER_BYTES - this.#bytes), limit - this.#records.length);
      const hits = await onceStarted(() => this.#ask(request, wanted, signal), signal);
      if (hits === undefined) {
        this.#sizes.tooMany(types, wanted);
        continue;
      }
      if (!this.#take(hits)) return false;
      if (hits.length < wanted) return true;
    }
    return false;
  }

  /** Whether there was room for all of them. */
  #take(hits: readonly TextHit[]): boolean {
    let last: TextHit | undefined;
    for (const hit of hits) {
      const bytes = this.#bytes + Buffer.byteLength(hit._source);
      if (bytes > MAX_ANSWER_BYTES && this.#records.length > 0) break;
      this.#bytes = bytes;
      this.#records.push(new FoundRecord(this.#typeOf(hit._index), hit._id, hit._source));
      last = hit;
    }
    this.#sizes.note(this.#query.types, this.#records.length, this.#bytes);
    if (last !== undefined) this.#last = cursorOf(last, this.#query);
    return last === hits.at(-1);
  }

  /** The next records; undefined where so many of them are too long for one answer. */
  async #ask(
    request: estypes.SearchRequest,
    size: number,
    signal: AbortSignal,
  ): Promise<readonly TextHit[] | undefined> {
    const from = this.#last === undefined ? {} : { search_after: behind(this.#last, this.#query) };
    try {
      const { hits } = await this.#searches.search({ ...request, size, ...from }, signal);
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
}

/** What comes after the times in the order of records. */
const PLACE = ['_index', 'cluster', '_seq_no'] as const;
const PLACE_OF_ONE = ['_seq_no'] as const;

/**
 * All records of one type, cluster and time are in one shard of one index, where each has a number of its own. So none are
 * equal, and the order is always the same. Of only one type and cluster the number is enough: each member of an order takes
 * time for every record.
 */
function placeOf({ types, clusters }: LogQuery): typeof PLACE | typeof PLACE_OF_ONE {
  return types.length === 1 && clusters.length === 1 ? PLACE_OF_ONE : PLACE;
}

function sortBy(query: LogQuery): estypes.Sort {
  const { order } = query;
  const times = order === 'arrival' ? ['ingested', '@timestamp'] : ['@timestamp', 'ingested'];
  return [...times, ...placeOf(query)].map((field) => ({ [field]: order === 'desc' ? 'desc' : 'asc' }));
}

function behind({ time, ingested, place, cluster, number }: Cursor, query: LogQuery): estypes.SortResults {
  const times = query.order === 'arrival' ? [ingested, time] : [time, ingested];
  return [...times, ...(placeOf(query) === PLACE ? [place, cluster] : []), number];
}

function cursorOf({ _index: place, sort }: TextHit, query: LogQuery): Cursor {
  const { order, clusters } = query;
  const values = JSON.parse(sort) as estypes.SortResults;
  const [time, ingested] = order === 'arrival' ? [values[1], values[0]] : values;
  const cluster = placeOf(query) === PLACE ? values[3] : clusters[0];
  return {
    time: Number(time),
    ingested: Number(ingested),
    place,
    cluster: String(cluster),
    number: Number(values.at(-1)),
  };
}
