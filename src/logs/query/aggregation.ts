import { UserError } from '../../errors.ts';
import { type Field, Fields } from '../types/field.ts';
import {
  type Direction,
  GROUP_WORDS,
  type Grouping,
  type GroupWord,
  type KeyValue,
  METRIC_WORDS,
  type MetricWord,
} from '../types/grouping.ts';
import type { LogType } from '../types/log-type.ts';
import { allOf, type Filter } from './filter.ts';
import { fieldsOwner, MAX_LIMIT, parseInstant, parseLimit } from './log-query.ts';
import { parseFilter } from './parse-filter.ts';
import { printFilter } from './print-filter.ts';

/** What to count of whose logs, in groups. Every way of asking builds this; every store compiles it. */
export interface LogAggregation {
  readonly clusters: readonly string[];
  /** Types that are grouped and counted alike. */
  readonly types: readonly LogType[];
  /** Milliseconds since 1970, inclusive. */
  readonly since: number | undefined;
  /** Milliseconds since 1970, exclusive. */
  readonly until: number | undefined;
  /** Over fields that all the types have; undefined for everything. */
  readonly filter: Filter | undefined;
  readonly by: GroupWord;
  readonly metric: MetricWord;
  /** At most so many groups, the largest. */
  readonly limit: number;
}

/** Groups in an answer where nobody says how many. */
export const DEFAULT_GROUPS = 10;

/** The part of it that stands in a request's query string. */
export type AggregationParameters = Omit<LogAggregation, 'clusters' | 'types'>;

/** A group and what was counted of it. */
export interface CountedGroup {
  /** As its Grouping names them. */
  readonly members: readonly KeyValue[];
  /** Whose reports these are, where both ends' are counted, each by itself. */
  readonly direction?: Direction;
  /** Exact below 2^53. */
  readonly value: number;
  readonly records: number;
}

/** What was counted of everything that was asked for, whether it is in a group or not. */
export type Total = Omit<CountedGroup, 'members'>;

/** @throws UserError naming the parameter that is not of its form, or asks for what the types have not. */
export function parseAggregation(parameters: URLSearchParams, types: readonly LogType[]): AggregationParameters {
  const text = parameters.get('query');
  const what = fieldsOwner(types);
  const metrics = metricWords(types);
  return {
    since: parseInstant(parameters, 'since'),
    until: parseInstant(parameters, 'until'),
    filter: text === null ? undefined : parseFilter(text, Fields.of(types), what),
    by: oneOf('by', parameters.get('by') ?? undefined, groupWords(types), what),
    metric: oneOf('metric', parameters.get('metric') ?? metrics[0], metrics, what),
    limit: parseLimit(parameters.get('limit') ?? String(DEFAULT_GROUPS)),
  };
}

export function formatAggregation({ since, until, filter, by, metric, limit }: AggregationParameters): URLSearchParams {
  const parameters = new URLSearchParams({ by, metric, limit: String(limit) });
  if (since !== undefined) parameters.set('since', new Date(since).toISOString());
  if (until !== undefined) parameters.set('until', new Date(until).toISOString());
  if (filter !== undefined) parameters.set('query', printFilter(filter));
  return parameters;
}

/** The most groups that one answer can have. */
export const MOST_ROWS = MAX_LIMIT;

/** The words that records of these types can be grouped by. */
export function groupWords(types: readonly LogType[]): readonly GroupWord[] {
  return GROUP_WORDS.filter((word) => types.every(({ groupings }) => groupings?.[word] !== undefined));
}

/** What can be counted of them; what mostly is comes first. */
export function metricWords(types: readonly LogType[]): readonly MetricWord[] {
  return METRIC_WORDS.filter((word) => types.every(({ metrics }) => metrics?.[word] !== undefined));
}

function oneOf<T extends string>(name: string, text: string | undefined, words: readonly T[], what: string): T {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new UserError(`${name}: "${text}" is not one of ${words.join(', ')}, which ${what} have`);
}

/** An aggregation in terms of fields and filters: what a store looks for and adds up. */
export interface AggregationPlan {
  readonly filter: Filter | undefined;
  readonly grouping: Grouping;
  /** For each end of a record, the fields that say its group. */
  readonly keys: readonly (readonly Field[])[];
  /** Fields to add up; none where the records themselves are counted. */
  readonly sums: readonly Field[];
  /** Says whose report a record is, where each end's are counted by themselves. */
  readonly reporter: { readonly field: Field; readonly directions: Readonly<Record<Direction, string>> } | undefined;
}

/**
 * Where both ends of a flow report it, one report is counted: always the same one, if what is asked for is the same in
 * both. If it is what each end has for itself (its verdict, its policies, its node), either would answer only for its own
 * end; then each is counted as what it says, of its direction.
 */
export function planOf({ types, filter, by, metric: word }: LogAggregation): AggregationPlan {
  const fields = Fields.of(types);
  const [type] = types;
  const grouping = type?.groupings?.[by];
  const metric = type?.metrics?.[word];
  if (type === undefined || grouping === undefined || metric === undefined) {
    throw new Error(`${fieldsOwner(types)} have no ${by} and ${word}`);
  }
  const field = (name: string) => fieldNamed(fields, name);
  const keys = grouping.keys.map((names) => names.map(field));
  const only = queryOf(metric.only, types);
  const plan = { filter: allOf([filter, only]), grouping, keys, sums: metric.sums.map(field), reporter: undefined };
  const { twoReports: reports } = type;
  if (reports === undefined) return plan;
  const isEachEnds = ({ name }: Field) => !reports.isShared(name);
  if (keys.flat().some(isEachEnds) || (metric.ofOneEnd !== true && fieldsIn(filter).some(isEachEnds))) {
    return { ...plan, reporter: { field: field(reports.reporter), directions: reports.directions } };
  }
  return metric.ofOneEnd ? plan : { ...plan, filter: allOf([plan.filter, queryOf(reports.once, types)]) };
}

function fieldNamed(fields: Fields, name: string): Field {
  const field = fields.find(name);
  if (field === undefined) throw new Error(`there is no field ${name}`);
  return field;
}

/** A query of a type's own. */
function queryOf(text: string | undefined, types: readonly LogType[]): Filter | undefined {
  return text === undefined ? undefined : parseFilter(text, Fields.of(types), fieldsOwner(types));
}

/** The fields that a filter looks at. */
function fieldsIn(filter: Filter | undefined): readonly Field[] {
  if (filter === undefined) return [];
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.filters.flatMap(fieldsIn);
    case 'not':
      return fieldsIn(filter.filter);
    default:
      return [filter.field];
  }
}
