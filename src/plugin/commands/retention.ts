import type { DayItem } from '../../manager/stored-days.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { formatTable, printableJson } from '../print.ts';
import { humanBytes, readDays, wordOf } from '../stored-days.ts';

/** How far ahead the preview looks: milliseconds. */
const PREVIEW = 24 * 3_600_000;

/** `retention`: how long logs are kept, and what is there. */
export const command = defineCommand({
  args: [],
  description: `
Show for how many days (UTC) logs are kept, and what is stored of them. Every record is kept for so many days at least:
a day is deleted when its last moment is that old. Six hours before, it is closed: records for it that still come are
set aside. CLUSTER is <shared> where clusters share an index; that is kept for the longest time that any of them has.

With --preview: which indices are closed and deleted within the next 24 hours, in the order in which they go.

It takes the right to list "days" in the API group logs.kubectl-mcm.io.`,
  examples: `
kubectl mcm retention

# What goes next
kubectl mcm retention --preview

# Keep the flows of one cluster longer
kubectl mcm retention set --type flow --cluster prod-eu --days 30`,
  flags: {
    cluster: { type: 'string', value: 'NAME', completes: 'clusters', description: 'Only of this cluster.' },
    preview: { type: 'boolean', description: 'Show what is closed and deleted within the next 24 hours.' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['json'],
      description: 'Print each index as JSON.',
    },
  },
  run: async ({ flags, global, io }) => {
    const all = await readDays(connect(global, io), flags.cluster, io.signal);
    const days = flags.preview ? goingNext(all, io.now()) : all;
    if (days.length === 0) io.err.write('No resources found\n');
    else if (flags.output !== undefined) for (const day of days) io.out.write(`${printableJson(day)}\n`);
    else io.out.write(flags.preview ? previewTable(days) : table(days));
    return 0;
  },
});

function goingNext(days: readonly DayItem[], now: number): readonly DayItem[] {
  return days
    .filter(({ closes }) => Date.parse(closes) <= now + PREVIEW)
    .sort((a, b) => a.closes.localeCompare(b.closes) || a.index.localeCompare(b.index));
}

function previewTable(days: readonly DayItem[]): string {
  const rows = days.map(({ index, bytes, records, closes, deletes }) => [
    index,
    String(records),
    humanBytes(bytes),
    closes.replace('.000Z', 'Z'),
    deletes?.replace('.000Z', 'Z') ?? '<by ILM policy>',
  ]);
  return formatTable(['INDEX', 'RECORDS', 'SIZE', 'CLOSES', 'DELETED'], rows);
}

function table(days: readonly DayItem[]): string {
  const groups = Map.groupBy(days, ({ type, cluster = '<shared>' }) => `${wordOf(type)} ${cluster}`);
  const rows = [...groups].sort(byText).map(([, items]) => {
    const [{ type, cluster = '<shared>', days: kept }] = items as [DayItem];
    const oldest = items.map(({ day }) => day).reduce((one, other) => (one < other ? one : other));
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    return [wordOf(type), cluster, String(kept), dashed(oldest), String(items.length), humanBytes(bytes)];
  });
  return formatTable(['TYPE', 'CLUSTER', 'DAYS', 'OLDEST DAY', 'INDICES', 'SIZE'], rows);
}

function byText([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one.localeCompare(other);
}

/** `2026-11-22` of `20261122`. */
function dashed(day: string): string {
  return `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
}
