import type { Filter } from '../../query/filter.ts';
import type { LogQuery } from '../../query/log-query.ts';

/** A part of a query's time, in milliseconds since 1970: from `since` to before `until`; undefined for no such end. */
export type Span = Pick<LogQuery, 'since' | 'until'>;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * How long the first span of the newest records is. Where any record will do, as long as most shippers take to send what
 * they have: five minutes and what is on the way. Where several conditions hold at once it may be long, since a store goes
 * by the rarest of them.
 */
const OF_ALL = 6 * MINUTE;
const OF_SOME = HOUR;
const OF_FEW = 6 * HOUR;

/** How many times as much is looked through as what was found lets expect to be enough, and as before. */
const AMPLE = 1.5;
const LONGER = 4;

/**
 * The time of a query in parts, to be looked through one after the other until there are enough records. Most readers want
 * no more than what is in the first part, and what a store must look at otherwise is a whole day, or many: to find the
 * newest it goes through all of them. The second part is as long as the first lets expect to be enough, and the third is the
 * rest: so what is rare costs no more than two searches more.
 */
export class Spans {
  readonly #query: SpannedQuery;
  /** All of it. */
  readonly #whole: Span;
  /** What is left. */
  #since: number | undefined;
  #until: number | undefined;
  /** Now, or what is left has no other end. */
  readonly #now: number;
  /** How long the first one of the newest is to be, and then what it may be instead, in milliseconds. */
  #firsts: readonly number[];
  /** How many milliseconds each of those had that have been looked through. */
  #looked: readonly number[] = [];
  #isDone = false;

  constructor(query: SpannedQuery, now: number) {
    const { since, until, order, after, filter } = query;
    this.#query = query;
    this.#firsts = [OF_FEW, OF_SOME, OF_ALL].filter((length) => length <= firstLength(filter));
    this.#since = order === 'asc' ? (after?.time ?? since) : since;
    this.#until = order === 'desc' && after !== undefined ? after.time + 1 : until;
    this.#whole = { since: this.#since, until: this.#until };
    this.#now = now;
  }

  /** All that those cover which there have been so far. */
  get looked(): Span {
    if (this.#isDone) return this.#whole;
    const { since, until } = this.#whole;
    return this.#query.order === 'asc' ? { since, until: this.#since } : { since: this.#until, until };
  }

  /** The next one, where so many records were found in those before; undefined behind the last one. */
  next(found: number): Span | undefined {
    if (this.#isDone) return undefined;
    const length = this.#length(found);
    this.#looked = [...this.#looked, length];
    const rest = { since: this.#since, until: this.#until };
    const span = this.#query.order === 'asc' ? this.#forwards(length) : this.#backwards(length);
    this.#isDone = span === undefined;
    return span ?? rest;
  }

  /** Begins anew with a shorter one where the first was too much to look through; false where none is shorter. */
  shorten(): boolean {
    const [, ...shorter] = this.#firsts;
    if (this.#query.order !== 'desc' || this.#looked.length > 1 || shorter.length === 0) return false;
    this.#firsts = shorter;
    this.#looked = [];
    this.#until = this.#whole.until;
    this.#isDone = false;
    return true;
  }

  #length(found: number): number {
    const { order, types, limit } = this.#query;
    const [first, second] = this.#looked;
    // What is asked for by its arrival may be of any time; what is rare is mostly in none.
    if (order === 'arrival' || types.every(({ isRare }) => isRare)) return Number.POSITIVE_INFINITY;
    if (first === undefined) return order === 'asc' ? untilNextDay(this.#since) : (this.#firsts[0] ?? OF_ALL);
    if (second !== undefined) return Number.POSITIVE_INFINITY;
    if (found === 0) return first < OF_SOME ? OF_SOME : Number.POSITIVE_INFINITY;
    return Math.ceil(Math.max(LONGER, (AMPLE * (limit - found)) / found) * first);
  }

  /** Undefined where it is all that is left. */
  #backwards(length: number): Span | undefined {
    const until = this.#until;
    const start = wholeDays(Math.min(until ?? this.#now, this.#now) - length, length);
    if (!(start > (this.#since ?? 0))) return undefined;
    this.#until = start;
    return { since: start, until };
  }

  #forwards(length: number): Span | undefined {
    const since = this.#since;
    const end = endOfDay((since ?? Number.NaN) + length - 1);
    if (!(end < Math.min(this.#until ?? this.#now, this.#now))) return undefined;
    this.#since = end;
    return { since, until: end };
  }
}

function firstLength(filter: Filter | undefined): number {
  if (filter === undefined) return OF_ALL;
  const conditions = filter.kind === 'and' ? filter.filters : [filter];
  // What something is not is true of nearly all of them.
  return conditions.filter(({ kind }) => kind !== 'not' && kind !== 'exists').length > 1 ? OF_FEW : OF_SOME;
}

type SpannedQuery = Pick<LogQuery, 'since' | 'until' | 'order' | 'after' | 'types' | 'limit' | 'filter'>;

/** The beginning of its day, where it is about days: their indices are named by them. */
function wholeDays(time: number, length: number): number {
  return length < DAY ? time : Math.floor(time / DAY) * DAY;
}

/** Not to the end of a day that is nearly over. */
function untilNextDay(time = Number.NaN): number {
  return endOfDay(time + DAY / 4) - time;
}

function endOfDay(time: number): number {
  return (Math.floor(time / DAY) + 1) * DAY;
}
