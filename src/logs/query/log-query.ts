import { UserError } from '../../errors.ts';
import { parseRfc3339 } from '../record/time.ts';
import type { LogType } from '../types/log-type.ts';

/** What to look for. Every way of asking (flags, the aggregated API) builds this; every store compiles it. */
export interface LogQuery {
  readonly cluster: string;
  readonly types: readonly LogType[];
  /** Milliseconds since 1970, inclusive. */
  readonly since: number | undefined;
  /** Milliseconds since 1970, exclusive. */
  readonly until: number | undefined;
  /** At most so many records: the newest. */
  readonly limit: number;
}

/** How long the records of one answer may be together, in bytes of JSON: 10,000 flows or more, 10 audit bodies at worst. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export const DEFAULT_LIMIT = 100;
/** What Elasticsearch gives in one answer (index.max_result_window). */
export const MAX_LIMIT = 10_000;

/** The part of a query that stands in a request's query string. */
export type QueryWindow = Pick<LogQuery, 'since' | 'until' | 'limit'>;

/** @throws UserError naming the parameter that is not of its form. */
export function parseWindow(parameters: URLSearchParams): QueryWindow {
  return {
    since: parseInstant(parameters, 'since'),
    until: parseInstant(parameters, 'until'),
    limit: parseLimit(parameters.get('limit')),
  };
}

export function formatWindow({ since, until, limit }: QueryWindow): URLSearchParams {
  const parameters = new URLSearchParams({ limit: String(limit) });
  if (since !== undefined) parameters.set('since', new Date(since).toISOString());
  if (until !== undefined) parameters.set('until', new Date(until).toISOString());
  return parameters;
}

function parseInstant(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const instant = parseRfc3339(text);
  if (instant === undefined) throw new UserError(`${name}: "${text}" is not an RFC 3339 time`);
  return instant;
}

function parseLimit(text: string | null): number {
  if (text === null) return DEFAULT_LIMIT;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw new UserError(`limit: "${text}" is not a number from 1 to ${MAX_LIMIT}`);
  }
  return limit;
}
