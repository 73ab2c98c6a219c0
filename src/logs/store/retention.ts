import { dayOf } from '../record/time.ts';
import { STORED_TYPES } from '../types/index.ts';
import type { LogTypeName } from '../types/log-type.ts';

/** What is kept by days: the log types, and what was set aside of them. */
export type KeptName = LogTypeName | 'dead_letters';

export const DEAD_LETTERS = 'dead_letters';

const DEFAULT_DAYS: ReadonlyMap<KeptName, number> = new Map<KeptName, number>([
  ...STORED_TYPES.map((type): [KeptName, number] => [type.name, type.retentionDays]),
  [DEAD_LETTERS, 30],
]);

export const KEPT_NAMES: readonly KeptName[] = [...DEFAULT_DAYS.keys()];

/** The longest there is: ten years of days. */
export const MOST_DAYS = 3650;

const DAY = 86_400_000;

/** Milliseconds for which a day takes no more records before it is deleted: so much may clocks and news be behind. */
export const CLOSED_BEFORE = 6 * 3_600_000;

export type KeptDays = ReadonlyMap<KeptName, number>;

/**
 * How long records are kept, in whole days (UTC). Every record is kept for so many days at least: a day is deleted when
 * its last moment is that old.
 */
export class Retention {
  readonly types: KeptDays;
  readonly clusters: ReadonlyMap<string, KeptDays>;

  /** What is in neither map is kept for Calico's default. A cluster's own number wins over its type's. */
  constructor(types: KeptDays = new Map(), clusters: ReadonlyMap<string, KeptDays> = new Map()) {
    this.types = types;
    this.clusters = clusters;
  }

  daysOf(name: KeptName, cluster: string): number {
    return this.clusters.get(cluster)?.get(name) ?? this.#daysOfType(name);
  }

  /** Of all clusters: what indices are kept for that several share. */
  longestOf(name: KeptName): number {
    const own = [...this.clusters.values()].map((days) => days.get(name) ?? 0);
    return Math.max(this.#daysOfType(name), ...own);
  }

  #daysOfType(name: KeptName): number {
    return this.types.get(name) ?? (DEFAULT_DAYS.get(name) as number);
  }
}

/** The days that take records of one cluster and type. */
export class OpenDays {
  readonly #days: number;
  readonly #oldest: string;

  constructor(retention: Retention, name: KeptName, cluster: string, now: number) {
    this.#days = retention.daysOf(name, cluster);
    this.#oldest = oldestOpenDay(this.#days, now);
  }

  has(day: string): boolean {
    return day >= this.#oldest;
  }

  /** Why a record of a day that is not open is set aside. */
  reason(day: string): string {
    return `its day, ${day}, is older than the ${this.#days} days that are kept`;
  }
}

/** When a day (`yyyymmdd`) that is kept for so many days stops taking records, in milliseconds since 1970. */
export function closesAt(day: string, days: number): number {
  return startOf(day) + (days + 1) * DAY - CLOSED_BEFORE;
}

/** The oldest day (`yyyymmdd`) that takes records, where they are kept for so many days. */
export function oldestOpenDay(days: number, now: number): string {
  return dayOf(now + CLOSED_BEFORE - days * DAY);
}

/** The day so many days after that of `now`, as `yyyymmdd`. */
export function dayAfter(now: number, days: number): string {
  return dayOf(now + days * DAY);
}

/** The first moment of a day, `yyyymmdd`; NaN where there is no such day. */
export function startOf(day: string): number {
  if (!/^\d{8}$/.test(day)) return Number.NaN;
  const start = Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6)));
  return dayOf(start) === day ? start : Number.NaN;
}
