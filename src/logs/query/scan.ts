import { UserError } from '../../errors.ts';
import type { Filter } from './filter.ts';
import { fieldsOwner, type LogQuery } from './log-query.ts';

/**
 * How many records one query with a filter may have to look through, unless it is told otherwise: what an Elasticsearch on
 * ordinary hardware does in the time that a read may take.
 */
export const MOST_SCANNED = 100_000_000;

/**
 * How many times as dear a query is with a pattern that begins with a wildcard: every word of the field is looked at, of
 * which there may be as many as records.
 */
const LEADING_WILDCARD = 10;

/** The same for each label that is not indexed: every record is read for it. */
const STORED_LABEL = 50;

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
  const { wildcards, labels } = dearPartsOf(filter);
  const times = Math.max(1, wildcards.length === 0 ? 1 : LEADING_WILDCARD, labels.length * STORED_LABEL);
  return Math.floor(mostScanned / times);
}

/** Says what to narrow. */
export function scanTooWide(
  query: Pick<LogQuery, 'clusters' | 'types' | 'filter'>,
  records: number,
  most: number,
): ScanTooWide {
  const { clusters, types, filter } = query;
  const { wildcards, labels } = dearPartsOf(filter);
  const [wildcard] = wildcards;
  const [label] = labels;
  const advice = [
    'a shorter time (since, until)',
    ...(clusters.length > 1 ? ['fewer clusters'] : []),
    ...(types.length > 1 ? ['fewer log types'] : []),
    ...(wildcard === undefined ? [] : [`patterns that do not begin with a wildcard, as "${wildcard}" does`]),
    ...(label === undefined ? [] : [`no ${label}, which every record is read for`]),
  ];
  const last = advice.pop();
  const asked = advice.length === 0 ? last : `${advice.join(', ')} or ${last}`;
  const whose = clusters.length === 1 ? `cluster "${clusters[0]}"` : `${clusters.length} clusters`;
  return new ScanTooWide(
    `too much to look through: ${count(records)} records of ${fieldsOwner(types)} of ${whose} are of that time, ` +
      `and ${count(most)} are the most for such a query: ask for ${asked}`,
  );
}

/** What makes a filter dear: patterns that begin with a wildcard, and fields of labels that are not indexed, for each label. */
interface DearParts {
  readonly wildcards: readonly string[];
  readonly labels: readonly string[];
}

function dearPartsOf(filter: Filter | undefined): DearParts {
  switch (filter?.kind) {
    case 'and':
    case 'or': {
      const parts = filter.filters.map(dearPartsOf);
      return {
        wildcards: parts.flatMap(({ wildcards }) => wildcards),
        labels: parts.flatMap(({ labels }) => labels),
      };
    }
    case 'not':
      return dearPartsOf(filter.filter);
    case 'match': {
      const { field, values } = filter;
      const patterns = values.flatMap((value) => (value.kind === 'wildcard' ? [value.pattern.source] : []));
      return {
        wildcards: field.few ? [] : patterns.filter((source) => /^[*?]/.test(source)),
        labels: field.stored ? values.map(() => field.name) : [],
      };
    }
    default:
      return { wildcards: [], labels: [] };
  }
}

function count(records: number): string {
  return records.toLocaleString('en-US');
}
