import type { ForwardPlan } from '../logs/forward/plan.ts';
import type { ForwardSummary } from '../logs/forward/summary.ts';
import { formatTable, printable } from './print.ts';

/** What a run has done, in a line. */
export function summaryLine(cluster: string, { types }: ForwardSummary, seconds: number): string {
  const total = (of: (summary: ForwardSummary['types'][number]) => number) =>
    types.reduce((sum, one) => sum + of(one), 0);
  const shipped = total((one) => one.shipped);
  const byType = types.map((one) => `${one.shipped} ${one.type.label}`).join(', ');
  const known = total((one) => one.known);
  const left = total((one) => one.leftBytes);
  const unfinished = total((one) => one.unfinishedBytes);
  return [
    `${cluster}: ${shipped} record${shipped === 1 ? '' : 's'} shipped${byType === '' ? '' : ` (${byType})`}`,
    ...(known === 0 ? [] : [`${known} of them stored before`]),
    `${total((one) => one.setAside)} set aside`,
    `${left === 0 ? 'nothing' : megabytes(left)} left`,
    ...(unfinished === 0 ? [] : [`${megabytes(unfinished)} of an unfinished line`]),
    `${megabytes(total((one) => one.bytes))} in ${seconds.toFixed(1)}s`,
  ].join(', ');
}

export function summaryJson(
  cluster: string,
  { types, unreadable, incomplete }: ForwardSummary,
  seconds: number,
): string {
  return JSON.stringify({
    cluster,
    types: types.map(({ type, ...counts }) => ({ type: type.label, ...counts })),
    unreadable,
    incomplete,
    seconds,
  });
}

/** What a run would do: a row for each file. */
export function planTable({ files }: ForwardPlan): string {
  if (files.length === 0) return 'No files to ship.\n';
  const rows = files.map(({ type, fileKey, offset, bytes, path }) => [
    type,
    fileKey.slice(0, 12),
    String(offset),
    String(bytes),
    printable(path),
  ]);
  return formatTable(['TYPE', 'KEY', 'OFFSET', 'BYTES', 'FILE'], rows);
}

export function planJson(cluster: string, { files, summary: { unreadable, incomplete } }: ForwardPlan): string {
  return `${JSON.stringify({ cluster, files, unreadable, incomplete })}\n`;
}

export function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;
}
