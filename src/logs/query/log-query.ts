import { UserError } from '../../errors.ts';
import { parseRfc3339 } from '../record/time.ts';
import { Fields } from '../types/field.ts';
import type { LogType } from '../types/log-type.ts';
import { type Cursor, parseCursor } from './cursor.ts';
import type { Filter } from './filter.ts';
import { parseFilter } from './parse-filter.ts';
import { printFilter } from './print-filter.ts';

/** What to look for. Every way of asking (flags, the aggregated API) builds this; every store compiles it. */
export interface LogQuery {
  /** Any of these; at least one. */
  readonly clusters: readonly string[];
  readonly types: readonly LogType[];
  /** Milliseconds since 1970, inclusive. */
  readonly since: number | undefined;
  /** Milliseconds since 1970, exclusive. */
  readonly until: number | undefined;
  /** Only records that were stored since then (milliseconds since 1970, inclusive), whatever their own time is. */
  readonly arrivedSince: number | undefined;
  /** Over fields that all the types have; undefined for everything. */
  readonly filter: Filter | undefined;
  /** See ORDERS. */
  readonly order: Order;
  /** At most so many records. */
  readonly limit: number;
  /** Those behind this one in the order; undefined for the first ones. */
  readonly after: Cursor | undefined;
}

/** By the records' own time, `desc` the newest first; or as they were stored, the first first. */
export const ORDERS = ['asc', 'desc', 'arrival'] as const;
export type Order = (typeof ORDERS)[number];

/** How long the records of one answer may be together, in bytes of JSON: 10,000 flows or more, 10 audit bodies at worst. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Clusters of one read: each stands in its URL, and whether it may be read is asked for each. */
export const MOST_CLUSTERS = 250;

export const DEFAULT_LIMIT = 100;
/** Records in one answer. */
export const MAX_LIMIT = 10_000;

/** The part of a query that stands in a request's query string. */
export type QueryParameters = Omit<LogQuery, 'clusters' | 'types'>;

/**
 * Reads what formatParameters writes, and trusts none of it: the filter is parsed anew against the fields of the types
 * that are to be read. @throws UserError naming the parameter that is not of its form, and the place in a query.
 */
export function parseParameters(parameters: URLSearchParams, types: readonly LogType[]): QueryParameters {
  const text = parameters.get('query');
  const from = parameters.get('continue');
  return {
    since: parseInstant(parameters, 'since'),
    until: parseInstant(parameters, 'until'),
    arrivedSince: parseInstant(parameters, 'arrivedSince'),
    filter: text === null ? undefined : parseFilter(text, Fields.of(types), fieldsOwner(types)),
    order: parseOrder(parameters.get('order')),
    limit: parseLimit(parameters.get('limit')),
    after: from === null ? undefined : parseCursor(from),
  };
}

/** The other way round, without where to go on, which is an answer's to say. */
export function formatParameters({
  since,
  until,
  arrivedSince,
  filter,
  order,
  limit,
}: Omit<QueryParameters, 'after'>): URLSearchParams {
  const parameters = new URLSearchParams({ order, limit: String(limit) });
  if (since !== undefined) parameters.set('since', new Date(since).toISOString());
  if (until !== undefined) parameters.set('until', new Date(until).toISOString());
  if (arrivedSince !== undefined) parameters.set('arrivedSince', new Date(arrivedSince).toISOString());
  if (filter !== undefined) parameters.set('query', printFilter(filter));
  return parameters;
}

/** Whose fields a query is about, for people. */
export function fieldsOwner(types: readonly LogType[]): string {
  return `${types.map(({ label }) => label).join(' and ')} logs`;
}

/** @throws UserError */
export function parseInstant(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const instant = parseRfc3339(text);
  if (instant === undefined) throw new UserError(`${name}: "${text}" is not an RFC 3339 time`);
  return instant;
}

function parseOrder(text: string | null): Order {
  const order = text === null ? 'desc' : ORDERS.find((one) => one === text);
  if (order === undefined) throw new UserError(`order: "${text}" is none of ${ORDERS.join(', ')}`);
  return order;
}

/** @throws UserError */
export function parseLimit(text: string | null): number {
  if (text === null) return DEFAULT_LIMIT;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw new UserError(`limit: "${text}" is not a number from 1 to ${MAX_LIMIT}`);
  }
  return limit;
}
