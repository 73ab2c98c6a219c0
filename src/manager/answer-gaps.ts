import type { Cursor } from '../logs/query/cursor.ts';
import type { LogQuery } from '../logs/query/log-query.ts';
import { parseFilter } from '../logs/query/parse-filter.ts';
import type { Gap } from '../logs/query/shortcoming.ts';
import type { FoundRecords, LogQuestions } from '../logs/store/log-store.ts';
import { Fields } from '../logs/types/field.ts';
import { gaps } from '../logs/types/gaps.ts';
import type { StoredRecord } from '../logs/types/log-type.ts';

/** Gaps that are named with one answer, the newest. */
const MOST_GAPS = 1_000;

const FIELDS = Fields.of([gaps]);

/** An answer, and the gaps in what it is about: of its clusters and types, and of the time that it covers. */
export async function withGaps<T extends Pick<FoundRecords, 'next'>>(
  questions: LogQuestions,
  query: LogQuery,
  look: (questions: LogQuestions) => Promise<T>,
  signal: AbortSignal,
): Promise<{ readonly found: T; readonly gaps: readonly Gap[] }> {
  // Side by side: how far the answer goes is only known in the end. Asked for without a filter, which costs the store
  // nothing where there are no gaps, as is usual.
  const widest = coveredBy(query, undefined);
  const looking = look(questions);
  const ofAll = { since: widest?.since, filter: undefined };
  const searching = widest === undefined ? [] : searchGaps(questions, query, ofAll, signal);
  await Promise.allSettled([looking, searching]);
  // First of all, why it is not there itself.
  const [found, newest] = [await looking, await searching];
  const covered = coveredBy(query, found.next);
  if (covered === undefined) return { found, gaps: [] };
  const records =
    newest.length < MOST_GAPS ? newest : await searchGaps(questions, query, withFilter(query, covered), signal);
  return { found, gaps: records.flatMap((record) => gapOf(record, query)).filter((gap) => touches(gap, covered)) };
}

function touches({ from, to }: Gap, { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY }: Covered) {
  return Date.parse(to) >= since && Date.parse(from) < until;
}

/** Those of the query's types that have begun in that time. */
function withFilter({ types }: LogQuery, { since, until }: Covered): Pick<LogQuery, 'since' | 'filter'> {
  const begun = until === undefined ? '' : ` AND from < "${new Date(until).toISOString()}"`;
  return {
    since,
    filter: parseFilter(`type IN {${types.map(({ name }) => name).join(', ')}}${begun}`, FIELDS, 'gaps'),
  };
}

/** The newest gaps of the query's clusters. */
async function searchGaps(
  questions: LogQuestions,
  { clusters, arrivedSince }: LogQuery,
  // A gap's own time is its end.
  { since, filter }: Pick<LogQuery, 'since' | 'filter'>,
  signal: AbortSignal,
): Promise<readonly StoredRecord[]> {
  const newest = { until: undefined, order: 'desc', limit: MOST_GAPS, after: undefined } as const;
  const { records } = await questions.search(
    { clusters, types: [gaps], since, arrivedSince, filter, ...newest },
    signal,
  );
  return records.map(({ record }) => record);
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
