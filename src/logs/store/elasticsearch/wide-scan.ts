import type { Client } from '@elastic/elasticsearch';
import { scanTooWide } from '../../query/scan.ts';
import type { IndexNames } from './index-names.ts';
import { type Asked, clusterFilter, onceStarted, requestFor, timeFilters } from './request.ts';

/**
 * Counts the records of the asked time before they are looked through, which needs no look at any of them. In indices of
 * its clusters alone, all of them are theirs. @throws ScanTooWide where there are more than `most`
 */
export async function refuseWideScan(
  client: Client,
  names: IndexNames,
  asked: Asked,
  most: number,
  signal: AbortSignal,
): Promise<void> {
  const { index, routing } = requestFor(names, asked);
  const times = timeFilters(asked);
  const reachesOthers = [index ?? []].flat().some((pattern) => names.reachesOthers(pattern));
  const query = { bool: { filter: reachesOthers ? [clusterFilter(asked), ...times] : times } };
  const { count } = await onceStarted(
    () =>
      client.count(
        {
          ...(index === undefined ? {} : { index }),
          ...(routing === undefined ? {} : { routing }),
          ignore_unavailable: true,
          query,
        },
        { signal },
      ),
    signal,
  );
  if (count > most) throw scanTooWide(asked, count, most);
}
