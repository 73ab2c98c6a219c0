import { UserError } from '../../errors.ts';
import type { Filter } from './filter.ts';
import { fieldsOwner, type LogQuery } from './log-query.ts';

/**
 * How many records one query with a filter may have to look through, unless it is told otherwise: what an Elasticsearch on
 * ordinary hardware does in the time that a read may take.
 */
export const MOST_SCANNED = 100_000_000;

/** How many times as dear a query is with a pattern that begins with a wildcard: every word of the field is looked at. */
const LEADING_WILDCARD = 10;

/** A query would have the store look at more than it may. */
export class ScanTooWide extends UserError {
  override readonly name = 'ScanTooWide';
}

/**
 * How many of the records of its time a query may at most be about; undefined for any number, as where there is no
 * filter: then nothing is looked for in them.
 */
export function mostToScan({ filter }: Pick<LogQuery, 'filter'>, mostScanned: number): number | undefined {
  if (filter === undefined || mostScanned === 0) return undefined;
  return leadingWildcards(filter).length === 0 ? mostScanned : Math.floor(mostScanned / LEADING_WILDCARD);
}

/** Says what to narrow. */
export function scanTooWide(
  query: Pick<LogQuery, 'clusters' | 'types' | 'filter'>,
  records: number,
  most: number,
): ScanTooWide {
  const { clusters, types, filter } = query;
  const [first] = filter === undefined ? [] : leadingWildcards(filter);
  const advice = [
    'a shorter time (since, until)',
    ...(clusters.length > 1 ? ['fewer clusters'] : []),
    ...(types.length > 1 ? ['fewer log types'] : []),
    ...(first === undefined ? [] : [`patterns that do not begin with a wildcard, as "${first}" does`]),
  ];
  const last = advice.pop();
  const asked = advice.length === 0 ? last : `${advice.join(', ')} or ${last}`;
  const whose = clusters.length === 1 ? `cluster "${clusters[0]}"` : `${clusters.length} clusters`;
  return new ScanTooWide(
    `too much to look through: ${count(records)} records of ${fieldsOwner(types)} of ${whose} are of that time, ` +
      `and ${count(most)} are the most for such a query: ask for ${asked}`,
  );
}

function leadingWildcards(filter: Filter): string[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.filters.flatMap(leadingWildcards);
    case 'not':
      return leadingWildcards(filter.filter);
    case 'match':
      return filter.values.flatMap((value) =>
        value.kind === 'wildcard' && /^[*?]/.test(value.pattern.source) ? [value.pattern.source] : [],
      );
    default:
      return [];
  }
}

function count(records: number): string {
  return records.toLocaleString('en-US');
}
