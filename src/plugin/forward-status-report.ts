import type { FileStatus, ForwardStatus } from '../logs/forward/forward-status.ts';
import { humanDuration } from './duration.ts';
import { alignColumns, formatTable, plural, printable } from './print.ts';

const HEADERS = ['FILE', 'TYPE', 'SIZE', 'ACKNOWLEDGED', 'LAG', 'AGE', 'STATE'];

/** How far a forwarder is: a row for each file, and below what it keeps besides. */
export function statusTable(
  { files, spool, quarantined, deadLetters, gaps, live }: ForwardStatus,
  now: number,
): string {
  const rows = files.map((file) => rowOf(file, now).map(printable));
  const letters = Object.entries(deadLetters).map(([type, records]) => `${records} ${type}`);
  const oldest = spool.oldest === undefined ? '' : `, oldest ${ageOf(spool.oldest, now)}`;
  const facts = [
    ['Forwarder:', live ? 'at work' : 'not asked: none answers'],
    ['Spool:', `${spool.bytes} bytes in ${plural(spool.segments, 'segment')}${oldest}`],
    ['Quarantine:', plural(quarantined, 'segment')],
    ['Dead letters:', letters.length === 0 ? '0' : letters.join(', ')],
    ['Gaps not shipped:', String(gaps.length)],
    ...gaps.map(({ type, path, count, bytes, reason, from, to }) => [
      '',
      `${count ?? '?'} ${type} (${bytes} bytes) of ${printable(path)}, ${from} to ${to}: ${reason}`,
    ]),
  ];
  const table = rows.length === 0 ? 'No files.\n' : formatTable(HEADERS, rows);
  return `${table}\n${alignColumns(facts, '   ')}`;
}

function rowOf({ file, type, size, acknowledged, lag, lastAcknowledged, state, reason }: FileStatus, now: number) {
  const age = lastAcknowledged === undefined ? '<never>' : ageOf(lastAcknowledged, now);
  const why = reason === undefined ? state : `${state}: ${reason}`;
  return [file, type, String(size), String(acknowledged), String(lag), age, why];
}

function ageOf(time: string, now: number): string {
  return humanDuration(now - Date.parse(time));
}
