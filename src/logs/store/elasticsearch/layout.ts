import { dayAfter, startOf } from '../retention.ts';

/** An index for each type, cluster and day, or one for each type and day that all clusters share. */
export const LAYOUT_NAMES = ['per-cluster', 'shared'] as const;
export type LayoutName = (typeof LAYOUT_NAMES)[number];

/** Which indices records get into. */
export interface Layout {
  readonly layout: LayoutName;
  /** What the names of all indices of log types begin with. */
  readonly prefix: string;
  /** Primary shards of a day's index that clusters share; those of one cluster have one. */
  readonly shards: number;
}

/** Calico Enterprise's own names, so that its users' Kibana views and saved searches go on working. */
export const DEFAULT_LAYOUT: Layout = { layout: 'per-cluster', prefix: 'tigera_secure_ee_', shards: 3 };

export const MOST_SHARDS = 1024;

/** No dots, which separate the parts of a name, and nothing that Elasticsearch or a path would read otherwise. */
const PREFIX = /^[a-z][a-z0-9_]{0,62}_$/;

export function isPrefix(text: string): boolean {
  return PREFIX.test(text);
}

/** A layout, and the first day (`yyyymmdd`) whose records it is for; '' from the beginning. */
export interface LayoutPeriod extends Layout {
  readonly from: string;
}

/**
 * Which layout is for which day. A record's place follows from its own day and this alone, whenever and by whomever it
 * is written, so that one that is written again finds itself.
 */
export class LayoutHistory {
  /** In the order of their days; the first is from the beginning. */
  readonly periods: readonly LayoutPeriod[];

  constructor(periods: readonly LayoutPeriod[] = [{ from: '', ...DEFAULT_LAYOUT }]) {
    this.periods = periods;
  }

  /** The layout of a day. */
  of(day: string): LayoutPeriod {
    return this.periods.findLast(({ from }) => from <= day) as LayoutPeriod;
  }

  /** Those of the days from `first` to `last`, where these are given. */
  between(first: string | undefined, last: string | undefined): readonly LayoutPeriod[] {
    return this.periods.filter(({ from }, at) => {
      const next = this.periods[at + 1]?.from;
      return (last === undefined || from <= last) && (first === undefined || next === undefined || next > first);
    });
  }

  /**
   * With this layout from the day after tomorrow on: everyone has heard of it by then, and no record is more than twelve
   * hours ahead. A change that is still to come is replaced.
   */
  with({ layout, prefix, shards }: Layout, now: number): LayoutHistory {
    const next = this.periods.at(-1) as LayoutPeriod;
    if (sameLayout(next, { layout, prefix, shards })) return this;
    const kept = this.#settled(now);
    const last = kept.at(-1) as LayoutPeriod;
    if (sameLayout(last, { layout, prefix, shards })) return new LayoutHistory(kept);
    return new LayoutHistory([...kept, { from: dayAfter(now, 2), layout, prefix, shards }]);
  }

  /** Whether another history leaves the days alone that may have records. */
  mayBecome(other: LayoutHistory, now: number): boolean {
    const settled = this.#settled(now);
    return settled.every((period, at) => {
      const same = other.periods[at];
      return same !== undefined && same.from === period.from && sameLayout(same, period);
    });
  }

  #settled(now: number): readonly LayoutPeriod[] {
    return this.periods.filter(({ from }) => from <= dayAfter(now, 1));
  }
}

export function sameLayout(one: Layout, other: Layout): boolean {
  return one.layout === other.layout && one.prefix === other.prefix && one.shards === other.shards;
}

/** Whether the days of these periods are days, in order. */
export function areInOrder(periods: readonly LayoutPeriod[]): boolean {
  return periods.every(({ from }, at) => {
    const before = periods[at - 1];
    return before === undefined ? from === '' : !Number.isNaN(startOf(from)) && before.from < from;
  });
}
