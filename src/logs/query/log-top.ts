import type { Direction, GroupWord, KeyValue, MetricWord } from '../types/grouping.ts';
import type { CountedGroup, LogAggregation, Total } from './aggregation.ts';

/** The largest groups, as the aggregated API gives them out. */
export interface LogTop {
  readonly by: GroupWord;
  readonly metric: MetricWord;
  /** How many groups there are in all. */
  readonly groups: number;
  /** Of everything, in a group or not; one for each direction where these are counted by themselves. */
  readonly totals: readonly Total[];
  readonly items: readonly TopItem[];
}

export interface TopItem {
  /** What the group is made of, by name. */
  readonly group: Readonly<Record<string, KeyValue>>;
  readonly direction?: Direction;
  readonly value: number;
  readonly records: number;
}

export function topOf(
  {
    count,
    rows,
    totals,
  }: { readonly count: number; readonly rows: readonly CountedGroup[]; readonly totals: readonly Total[] },
  { by, metric, types: [type] }: Pick<LogAggregation, 'by' | 'metric' | 'types'>,
): LogTop {
  const names = type?.groupings?.[by]?.members ?? [];
  const items = rows.map(({ members, ...counted }) => ({
    group: Object.fromEntries(names.map((name, at) => [name, members[at] ?? ''])),
    ...counted,
  }));
  return { by, metric, groups: count, totals, items };
}
