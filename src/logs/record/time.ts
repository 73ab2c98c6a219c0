/**
 * A record's time in milliseconds since 1970, from any form that shippers write: RFC 3339, in UTC where it names no zone
 * (as Calico's collector has it for BGP), or a number of seconds, milliseconds, microseconds or nanoseconds, told apart
 * by its size. undefined for anything else.
 */
export function parseTime(value: unknown): number | undefined {
  if (typeof value === 'number') return fromNumber(value);
  if (typeof value !== 'string') return undefined;
  return valid(parseRfc3339(WITHOUT_ZONE.test(value) ? `${value}Z` : value) ?? Number.NaN) ?? fromDigits(value);
}

/** The same for a time as it stands in its record, where that is a form that is indexed as what it means. */
export function parseIndexableTime(text: string): number | undefined {
  return INDEXABLE.test(text) ? parseTime(text) : undefined;
}

/**
 * A time in a form that is indexed as what it means, to the nanosecond: the value itself where it is in one already, or
 * is no time at all.
 */
export function indexableTime(value: unknown): unknown {
  const text = typeof value === 'number' ? String(value) : value;
  const time = parseTime(text);
  if (time === undefined || typeof text !== 'string' || INDEXABLE.test(text)) return value;
  if (!NUMBER.test(text)) {
    const [, fraction = ''] = /\.(\d{1,9})/.exec(text) ?? [];
    return spelled(time, fraction);
  }
  const [whole = '', fraction = ''] = text.split('.');
  const digits = digitsBehindSeconds(Number(text));
  return spelled(time, whole.slice(whole.length - digits) + fraction);
}

function spelled(time: number, fraction: string): string {
  const seconds = new Date(time).toISOString().slice(0, -'.000Z'.length);
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction.slice(0, 9)}Z`;
}

/** Milliseconds since 1970 of an RFC 3339 time with its zone; undefined for anything else. */
export function parseRfc3339(text: string): number | undefined {
  const time = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function fromDigits(value: string): number | undefined {
  return NUMBER.test(value) ? fromNumber(Number(value)) : undefined;
}

/** With its zone: without one the time would depend on where this runs. */
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const WITHOUT_ZONE = /^[-\d]{10}[Tt ][:\d]{8}(\.\d+)?$/;
const NUMBER = /^\d{1,20}(\.\d+)?$/;
/** What the mapping of times (`date` in types/fields.ts) takes, and takes for what it is: RFC 3339, or seconds. */
const INDEXABLE = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})?|\d{1,11}(\.\d{1,9})?)$/;

/** The first number of each unit: 5138 as seconds, 1973 as the finer ones. */
const MILLISECONDS = 1e11;
const MICROSECONDS = 1e14;
const NANOSECONDS = 1e17;

function fromNumber(value: number): number | undefined {
  if (!(value > 0)) return undefined;
  const digits = digitsBehindSeconds(value);
  if (digits === 0) return valid(value * 1e3);
  // A number does not hold so many nanoseconds to the last one, but to the microsecond (until 2116).
  return valid(digits === 9 ? Math.round(value / 1e3) / 1e3 : value / 10 ** (digits - 3));
}

/** How many of a number's digits before its point are less than a second. */
function digitsBehindSeconds(value: number): number {
  if (value < MILLISECONDS) return 0;
  if (value < MICROSECONDS) return 3;
  return value < NANOSECONDS ? 6 : 9;
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
