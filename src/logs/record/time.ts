/**
 * A record's time in milliseconds since 1970, from any form that shippers write: RFC 3339, or a number of seconds,
 * milliseconds, microseconds or nanoseconds, told apart by its size. undefined for anything else.
 */
export function parseTime(value: unknown): number | undefined {
  if (typeof value === 'number') return fromNumber(value);
  if (typeof value !== 'string') return undefined;
  return valid(parseRfc3339(value) ?? Number.NaN) ?? fromDigits(value);
}

/** Milliseconds since 1970 of an RFC 3339 time with its zone; undefined for anything else. */
export function parseRfc3339(text: string): number | undefined {
  const time = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function fromDigits(value: string): number | undefined {
  return NUMBER.test(value) ? fromNumber(Number(value)) : undefined;
}

/** With its zone: without one the time would depend on where the manager runs. */
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const NUMBER = /^\d{1,20}(\.\d+)?$/;

/** The first number of each unit: 5138 as seconds, 1973 as the finer ones. */
const MILLISECONDS = 1e11;
const MICROSECONDS = 1e14;
const NANOSECONDS = 1e17;

function fromNumber(value: number): number | undefined {
  if (!(value > 0)) return undefined;
  if (value < MILLISECONDS) return valid(value * 1e3);
  if (value < MICROSECONDS) return valid(value);
  // A number does not hold so many nanoseconds to the last one, but to the microsecond (until 2116).
  return valid((value < NANOSECONDS ? value : Math.round(value / 1e3)) / 1e3);
}

/** Years that a day of an index name has four digits for. */
const FIRST = Date.UTC(1971, 0);
const LAST = Date.UTC(9999, 0);

function valid(milliseconds: number): number | undefined {
  return milliseconds >= FIRST && milliseconds < LAST ? Math.floor(milliseconds) : undefined;
}

const DAY = 86_400_000;
let latestDay = -1;
let latestText = '';

/** `yyyymmdd` of the UTC day. */
export function dayOf(milliseconds: number): string {
  const day = Math.floor(milliseconds / DAY);
  // Nearly all records of a batch are of one day.
  if (day !== latestDay) {
    latestDay = day;
    latestText = new Date(day * DAY).toISOString().slice(0, 10).replaceAll('-', '');
  }
  return latestText;
}
