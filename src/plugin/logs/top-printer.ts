import { UserError } from '../../errors.ts';
import type { TopItem } from '../../logs/query/log-top.ts';
import type { Grouping, GroupWord, MetricWord } from '../../logs/types/grouping.ts';
import { alignColumns, printable, printableJson } from '../print.ts';
import { humanBytes } from '../stored-days.ts';
import { csvCell, yamlOf } from './log-printer.ts';
import type { MergedTop } from './top-reads.ts';

export const TOP_FORMATS = ['table', 'wide', 'json', 'yaml', 'csv', 'name'] as const;
export type TopFormat = (typeof TOP_FORMATS)[number];

/** What was asked for, and how to show it. */
export interface TopOptions {
  readonly output: string;
  readonly by: GroupWord;
  readonly metric: MetricWord;
  readonly grouping: Grouping;
  readonly clusters: readonly string[];
  /** Milliseconds since 1970. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly headers: boolean;
  /** Columns of the terminal, for bars; undefined for none. */
  readonly width: number | undefined;
  /** What bars are made of. */
  readonly block: string;
}

/** @throws UserError for a format that there is not */
export function topFormat(output: string): TopFormat {
  const format = TOP_FORMATS.find((one) => one === output);
  if (format !== undefined) return format;
  throw new UserError(
    `error: invalid argument "${output}" for "--output" flag: must be one of ${TOP_FORMATS.join(', ')}`,
  );
}

/** The largest groups as text. */
export function printTop(top: MergedTop, options: TopOptions): string {
  switch (topFormat(options.output)) {
    case 'json':
      return `${printableJson(document(top, options), 4)}\n`;
    case 'yaml':
      return yamlOf(document(top, options));
    case 'csv':
      return csv(top, options);
    case 'name':
      return [...new Set(top.items.map((item) => `${options.by}/${printable(wordsOf(item, options))}\n`))].join('');
    case 'wide':
    case 'table':
      return top.items.length === 0 ? '' : table(top, options);
  }
}

function document({ groups, totals, items, shortBy }: MergedTop, { by, metric, clusters, since, until }: TopOptions) {
  return {
    kind: 'LogTop',
    by,
    metric,
    clusters,
    ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    groups,
    totals,
    ...(shortBy === 0 ? {} : { shortBy }),
    items,
  };
}

function csv({ items }: MergedTop, { grouping, metric, headers }: TopOptions): string {
  const withDirection = items.some(({ direction }) => direction !== undefined);
  const columns = [...grouping.members, ...(withDirection ? ['direction'] : []), metric];
  const rows = items.map(({ group, direction, value }) => [
    ...grouping.members.map((name) => printable(String(group[name]))),
    ...(withDirection ? [direction ?? ''] : []),
    String(value),
  ]);
  const lines = headers && items.length > 0 ? [columns.map((name) => name.toUpperCase()), ...rows] : rows;
  return lines.map((row) => `${row.map(csvCell).join()}\n`).join('');
}

/** Of the widest bar, in characters; and the least room for one. */
const WIDEST_BAR = 40;
const NARROWEST_BAR = 8;

function table({ groups, totals, items }: MergedTop, options: TopOptions): string {
  const { by, metric, grouping, headers, width } = options;
  const { beside = [] } = grouping;
  const directed = totals.some(({ direction }) => direction !== undefined);
  const withRecords = options.output === 'wide' && metric !== 'records';
  const amount = (value: number) => (metric === 'bytes' ? humanBytes(value) : String(value));
  const cells = (item: TopItem, words: string, share: string) => [
    words,
    ...beside.map((name) => printable(String(item.group[name] ?? ''))),
    ...(directed ? [item.direction ?? ''] : []),
    amount(item.value),
    ...(withRecords ? [String(item.records)] : []),
    share,
  ];
  const names = [
    by,
    ...beside,
    ...(directed ? ['direction'] : []),
    metric,
    ...(withRecords ? ['records'] : []),
    'share',
  ];
  const whole = (direction: string | undefined) => totals.find((total) => total.direction === direction)?.value ?? 0;
  const rows = items.map((item) =>
    cells(item, printable(wordsOf(item, options)), percent(item.value, whole(item.direction))),
  );
  const sums = totals.map((total) => cells({ group: {}, ...total }, `(${shown(items.length, groups)})`, 'total'));
  const lines = [...(headers ? [names.map((name) => name.toUpperCase())] : []), ...rows, ...sums];
  const text = alignColumns(lines, '   ').trimEnd().split('\n');
  const bars = barsOf(items, text, width, options.block);
  const first = headers ? 1 : 0;
  return text.map((line, at) => `${withBar(line, bars[at - first], text)}\n`).join('');
}

function shown(items: number, groups: number): string {
  return items === groups ? `all ${groups}` : `${items} of ${groups}`;
}

function percent(value: number, whole: number): string {
  return whole > 0 ? `${((100 * value) / whole).toFixed(1)}%` : '';
}

function wordsOf({ group }: TopItem, { grouping }: TopOptions): string {
  return grouping.words(grouping.members.map((name) => group[name] ?? ''));
}

/** Bars beside lines, where there is room for them. */
function barsOf(
  items: readonly TopItem[],
  lines: readonly string[],
  width: number | undefined,
  block: string,
): readonly string[] {
  const room = Math.min((width ?? 0) - longest(lines) - GAP.length, WIDEST_BAR);
  const most = Math.max(...items.map(({ value }) => value));
  if (room < NARROWEST_BAR || most <= 0) return [];
  return items.map(({ value }) => block.repeat(Math.max(1, Math.round((room * value) / most))));
}

const GAP = '   ';

function withBar(line: string, bar: string | undefined, lines: readonly string[]): string {
  return bar === undefined ? line : `${line.padEnd(longest(lines))}${GAP}${bar}`;
}

function longest(lines: readonly string[]): number {
  return Math.max(...lines.map(({ length }) => length));
}
