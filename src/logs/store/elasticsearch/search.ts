import { type Client, errors, type estypes } from '@elastic/elasticsearch';
import { type LogQuery, MAX_ANSWER_BYTES } from '../../query/log-query.ts';
import type { StoredRecord } from '../../types/log-type.ts';
import type { FoundRecord, FoundRecords } from '../log-store.ts';
import { DEAD_LETTERS } from '../retention.ts';
import { unavailable } from './bulk.ts';
import type { IndexNames } from './index-names.ts';

type Hit = estypes.SearchHit<StoredRecord>;

/** Records asked for at once. */
const PAGE = 500;

/** What Elasticsearch may answer to one page; a longer one is asked for again in smaller pages. */
const MAX_PAGE_BYTES = 2 * MAX_ANSWER_BYTES;

/** How long Elasticsearch keeps a search's view of the indices between two pages. */
const KEEP_ALIVE = '1m';

/**
 * The newest matching records. They are read in pages, so that neither end ever holds more than MAX_ANSWER_BYTES and a
 * page of them, whatever somebody asks for. @throws StoreUnavailable
 */
export async function searchRecords(
  client: Client,
  names: IndexNames,
  query: LogQuery,
  signal: AbortSignal,
): Promise<FoundRecords> {
  let view: string | undefined;
  try {
    const places = query.types.map((type) => names.reading(type, query.cluster, query.since, query.until));
    const index = places.flatMap(({ patterns }) => patterns);
    const [first] = places;
    // Only a hint where to look: the filters say what is found.
    const routing = first?.routing === undefined ? {} : { routing: first.routing };
    const opened = await client.openPointInTime(
      { index, ...routing, keep_alive: KEEP_ALIVE, ignore_unavailable: true, allow_partial_search_results: false },
      { signal },
    );
    view = opened.id;
    return await readPages(client, names, query, view, signal);
  } catch (error) {
    // What is wrong here itself is no matter of Elasticsearch's.
    if (signal.aborted || !(error instanceof errors.ElasticsearchClientError)) throw error;
    throw unavailable(error);
  } finally {
    // Elasticsearch closes it by itself later, if it cannot be told now.
    if (view !== undefined) client.closePointInTime({ id: view }).catch(() => undefined);
  }
}

async function readPages(
  client: Client,
  names: IndexNames,
  query: LogQuery,
  view: string,
  signal: AbortSignal,
): Promise<FoundRecords> {
  const records: FoundRecord[] = [];
  let bytes = 0;
  let size = PAGE;
  let after: Hit['sort'];
  while (records.length < query.limit) {
    const wanted = Math.min(size, query.limit - records.length);
    const hits = await readPage(client, query, view, wanted, after, signal);
    if (hits === undefined) {
      size = Math.max(1, Math.floor(wanted / 8));
      continue;
    }
    for (const { _index, _source } of hits) {
      const record = _source ?? {};
      bytes += Buffer.byteLength(JSON.stringify(record));
      if (bytes > MAX_ANSWER_BYTES) return { records: records.reverse(), truncated: true };
      records.push({ type: typeOf(_index, names), record });
    }
    if (hits.length < wanted) break;
    after = hits.at(-1)?.sort;
  }
  return { records: records.reverse(), truncated: false };
}

/** The next records, newest first; undefined where so many of them are too long for one answer. */
async function readPage(
  client: Client,
  query: LogQuery,
  view: string,
  size: number,
  after: Hit['sort'],
  signal: AbortSignal,
): Promise<readonly Hit[] | undefined> {
  try {
    const answer = await client.search<StoredRecord>(
      {
        pit: { id: view, keep_alive: KEEP_ALIVE },
        size,
        track_total_hits: false,
        // Elasticsearch adds a last field of its own, which makes the order of equal ones the same on every page.
        sort: [{ '@timestamp': 'desc' }, { ingested: 'desc' }],
        query: { bool: { filter: filters(query) } },
        ...(after === undefined ? {} : { search_after: after }),
      },
      { signal, maxResponseSize: MAX_PAGE_BYTES },
    );
    return answer.hits.hits;
  } catch (error) {
    if (error instanceof errors.RequestAbortedError && !signal.aborted && size > 1) return undefined;
    throw error;
  }
}

function filters({ cluster, since, until }: LogQuery): estypes.QueryDslQueryContainer[] {
  // The index says the cluster already; the field says it again, so that no mistake in a name can show another's logs.
  const list: estypes.QueryDslQueryContainer[] = [{ term: { cluster } }];
  if (since !== undefined || until !== undefined) {
    const range = {
      ...(since === undefined ? {} : { gte: since }),
      ...(until === undefined ? {} : { lt: until }),
      format: 'epoch_millis',
    };
    list.push({ range: { '@timestamp': range } });
  }
  return list;
}

function typeOf(index: string, names: IndexNames): FoundRecord['type'] {
  const kept = names.parse(index)?.kept;
  if (kept === undefined || kept === DEAD_LETTERS) throw new Error(`an index of no known type answered: ${index}`);
  return kept;
}
