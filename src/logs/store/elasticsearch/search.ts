import { type Client, errors, type estypes } from '@elastic/elasticsearch';
import type { Cursor } from '../../query/cursor.ts';
import { type LogQuery, MAX_ANSWER_BYTES } from '../../query/log-query.ts';
import type { StoredRecord } from '../../types/log-type.ts';
import type { FoundRecord, FoundRecords } from '../log-store.ts';
import { DEAD_LETTERS } from '../retention.ts';
import { unavailable } from './bulk.ts';
import { compileFilter } from './compile-filter.ts';
import type { IndexNames } from './index-names.ts';

type Hit = estypes.SearchHit<StoredRecord>;
type Query = estypes.QueryDslQueryContainer;

/** Records asked for at once. */
const PAGE = 500;

/** What Elasticsearch may answer to one page; a longer one is asked for again in smaller pages. */
const MAX_PAGE_BYTES = 2 * MAX_ANSWER_BYTES;

/**
 * The matching records in their order. They are read in pages, so that neither end ever holds more than MAX_ANSWER_BYTES
 * and a page of them, whatever somebody asks for. Each page goes on behind the last record of the one before, by what
 * never changes of a record, so nothing is read twice or left out whatever is stored meanwhile. @throws StoreUnavailable
 */
export async function searchRecords(
  client: Client,
  names: IndexNames,
  query: LogQuery,
  signal: AbortSignal,
): Promise<FoundRecords> {
  try {
    return await new Search(client, names, query, signal).read();
  } catch (error) {
    // What is wrong here itself is no matter of Elasticsearch's.
    if (signal.aborted || !(error instanceof errors.ElasticsearchClientError)) throw error;
    throw unavailable(error);
  }
}

class Search {
  readonly #client: Client;
  readonly #names: IndexNames;
  readonly #query: LogQuery;
  readonly #signal: AbortSignal;
  readonly #request: estypes.SearchRequest;

  constructor(client: Client, names: IndexNames, query: LogQuery, signal: AbortSignal) {
    this.#client = client;
    this.#names = names;
    this.#query = query;
    this.#signal = signal;
    const { types, cluster, since, until, order } = query;
    const places = types.map((type) => names.reading(type, cluster, since, until));
    const [first] = places;
    this.#request = {
      index: places.flatMap(({ patterns }) => patterns),
      // Only a hint where to look: the filters say what is found.
      ...(first?.routing === undefined ? {} : { routing: first.routing }),
      // The same copies of the shards for each page: another may be a second behind.
      preference: cluster,
      ignore_unavailable: true,
      allow_partial_search_results: false,
      track_total_hits: false,
      // All records of one time are in one shard of one index, where each has a number of its own.
      sort: [{ '@timestamp': order }, { ingested: order }, { _index: order }, { _seq_no: order }],
      query: { bool: { filter: filters(query) } },
    };
  }

  async read(): Promise<FoundRecords> {
    const { limit } = this.#query;
    const records: FoundRecord[] = [];
    let bytes = 0;
    let size = PAGE;
    let last = this.#query.after;
    while (records.length < limit) {
      const wanted = Math.min(size, limit - records.length);
      const hits = await this.#page(wanted, last);
      if (hits === undefined) {
        size = Math.max(1, Math.floor(wanted / 8));
        continue;
      }
      for (const hit of hits) {
        const record = hit._source ?? {};
        bytes += Buffer.byteLength(JSON.stringify(record));
        if (bytes > MAX_ANSWER_BYTES && records.length > 0) return { records, next: last };
        records.push({ type: typeOf(hit._index, this.#names), id: hit._id ?? '', record });
        last = cursorOf(hit);
      }
      if (hits.length < wanted) return { records, next: undefined };
    }
    return { records, next: last };
  }

  /** The next records; undefined where so many of them are too long for one answer. */
  async #page(size: number, after: Cursor | undefined): Promise<readonly Hit[] | undefined> {
    const from = after === undefined ? {} : { search_after: [after.time, after.ingested, after.place, after.number] };
    try {
      const answer = await this.#client.search<StoredRecord>(
        { ...this.#request, size, ...from },
        { signal: this.#signal, maxResponseSize: MAX_PAGE_BYTES },
      );
      return answer.hits.hits;
    } catch (error) {
      if (error instanceof errors.RequestAbortedError && !this.#signal.aborted && size > 1) return undefined;
      throw error;
    }
  }
}

function filters({ cluster, since, until, filter }: LogQuery): Query[] {
  // The index says the cluster already; the field says it again, so that no mistake in a name can show another's logs.
  const list: Query[] = [{ term: { cluster } }];
  if (since !== undefined || until !== undefined) {
    const range = {
      ...(since === undefined ? {} : { gte: since }),
      ...(until === undefined ? {} : { lt: until }),
      format: 'epoch_millis',
    };
    list.push({ range: { '@timestamp': range } });
  }
  if (filter !== undefined) list.push(compileFilter(filter));
  return list;
}

function cursorOf({ sort = [] }: Hit): Cursor {
  const [time, ingested, place, number] = sort;
  return { time: Number(time), ingested: Number(ingested), place: String(place), number: Number(number) };
}

function typeOf(index: string, names: IndexNames): FoundRecord['type'] {
  const kept = names.parse(index)?.kept;
  if (kept === undefined || kept === DEAD_LETTERS) throw new Error(`an index of no known type answered: ${index}`);
  return kept;
}
