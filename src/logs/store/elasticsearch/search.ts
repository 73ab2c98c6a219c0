import type { Client } from '@elastic/elasticsearch';
import type { LogQuery } from '../../query/log-query.ts';
import { LOG_TYPES } from '../../types/index.ts';
import type { StoredRecord } from '../../types/log-type.ts';
import type { FoundRecord } from '../log-store.ts';
import { unavailable } from './bulk.ts';
import type { IndexNames } from './index-names.ts';

/** The newest matching records, oldest first. @throws StoreUnavailable */
export async function searchRecords(
  client: Client,
  names: IndexNames,
  query: LogQuery,
  signal: AbortSignal,
): Promise<readonly FoundRecord[]> {
  try {
    const answer = await client.search<StoredRecord>(
      {
        index: query.types.map((type) => names.allDays(type, query.cluster)),
        allow_no_indices: true,
        ignore_unavailable: true,
        size: query.limit,
        track_total_hits: false,
        // The second field makes the order of records of one moment the same in every answer.
        sort: [{ '@timestamp': 'desc' }, { ingested: 'desc' }, '_doc'],
        query: { bool: { filter: filters(query) } },
      },
      { signal },
    );
    return answer.hits.hits
      .map(({ _index, _source }) => ({ type: typeOf(_index, query.cluster, names), record: _source ?? {} }))
      .reverse();
  } catch (error) {
    if (signal.aborted) throw error;
    throw unavailable(error);
  }
}

function filters({ cluster, since, until }: LogQuery): object[] {
  // The index says the cluster already; the field says it again, so that no mistake in a name can show another's logs.
  const list: object[] = [{ term: { cluster } }];
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

function typeOf(index: string, cluster: string, names: IndexNames): FoundRecord['type'] {
  const type = LOG_TYPES.find((candidate) => index.startsWith(names.day(candidate, cluster, '')));
  if (type === undefined) throw new Error(`an index of no known type answered: ${index}`);
  return type.name;
}
