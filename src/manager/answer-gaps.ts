import type { Cursor } from '../logs/query/cursor.ts';
import type { LogQuery } from '../logs/query/log-query.ts';
import { parseFilter } from '../logs/query/parse-filter.ts';
import type { Gap } from '../logs/query/shortcoming.ts';
import type { FoundRecords, LogStore } from '../logs/store/log-store.ts';
import { Fields } from '../logs/types/field.ts';
import { gaps } from '../logs/types/gaps.ts';
import type { StoredRecord } from '../logs/types/log-type.ts';

/** Gaps that are named with one answer, the newest. */
const MOST_GAPS = 1_000;

const FIELDS = new Fields([gaps]);

/** The gaps in what an answer is about: of its clusters and types, and of the time that it covers. */
export async function gapsIn(
  store: Pick<LogStore, 'search'>,
  query: LogQuery,
  { next }: Pick<FoundRecords, 'next'>,
  signal: AbortSignal,
): Promise<readonly Gap[]> {
  const covered = coveredBy(query, next);
  if (covered === undefined) return [];
  const { since, until } = covered;
  const ofTypes = `type IN {${query.types.map(({ name }) => name).join(', ')}}`;
  const begun = until === undefined ? '' : ` AND from < "${new Date(until).toISOString()}"`;
  const { records } = await store.search(
    {
      clusters: query.clusters,
      types: [gaps],
      // A gap's own time is its end.
      since,
      until: undefined,
      arrivedSince: query.arrivedSince,
      filter: parseFilter(`${ofTypes}${begun}`, FIELDS, 'gaps'),
      order: 'desc',
      limit: MOST_GAPS,
      after: undefined,
    },
    signal,
  );
  return records.flatMap(({ record }) => gapOf(record, query));
}

interface Covered {
  /** Milliseconds since 1970, as in a LogQuery. */
  readonly since: number | undefined;
  readonly until: number | undefined;
}

/** The time that one answer says everything of; undefined where the first answer to the same question has said it. */
function coveredBy({ order, since, until, after }: LogQuery, next: Cursor | undefined): Covered | undefined {
  switch (order) {
    case 'asc':
      return { since: after?.time ?? since, until: next === undefined ? until : next.time + 1 };
    case 'desc':
      return { since: next?.time ?? since, until: after === undefined ? until : after.time + 1 };
    case 'arrival':
      return after === undefined ? { since, until } : undefined;
  }
}

/** Senders are not trusted: what is no gap is none. */
function gapOf({ cluster, type: name, from, to, count, reason }: StoredRecord, { types }: LogQuery): Gap[] {
  const type = types.find((one) => one.name === name);
  if (type === undefined || !isTime(from) || !isTime(to)) return [];
  const counted = typeof count === 'number' ? { count } : {};
  return [{ kind: 'Gap', cluster: String(cluster), type: type.name, from, to, ...counted, reason: String(reason) }];
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
