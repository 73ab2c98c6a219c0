import type {
  ManagerItem,
  ManagerStatus,
  RetentionStatus,
  SpoolStatus,
  StoreStatus,
} from '../../manager/manager-status.ts';
import { humanDuration } from '../duration.ts';
import { alignColumns, formatTable, plural, printable } from '../print.ts';
import { humanBytes, wordOf } from '../stored-days.ts';
import type { ClusterCounts, ClusterState } from './cluster-problems.ts';
import type { PlaneStatus } from './plane-status.ts';
import type { Problem } from './problem.ts';

/** So much of a list is on the screen; all of it is in `-o json`. */
const MOST_ROWS = 10;
const MOST_PLACES = 5;

const NOT_READ = '<not read>';

/** One screen: how each part is, what waits, what was set aside, and at the end what is wrong and how to mend it. */
export function statusReport({ managers, clusters, problems, notRead }: PlaneStatus, now: number): string {
  const isSilent = managers === undefined && notRead.every(({ part }) => part !== 'managers');
  const noManager = isSilent ? 'does not answer' : NOT_READ;
  // What the clusters' objects say is the manager's word, which nobody keeps true now.
  const asOf = isSilent ? ' (as a manager last said)' : '';
  const facts = [
    ...(managers?.map((one) => ['Manager:', managerLine(one, now)]) ?? [['Manager:', noManager]]),
    ['Clusters:', clusters === undefined ? NOT_READ : `${clustersLine(clusters)}${asOf}`],
    ...(managers ?? []).flatMap(({ status }) => storeLines(status, now)),
  ];
  const tables = (managers ?? []).flatMap(({ status }) => managerTables(status, now));
  const parts = [
    alignColumns(
      facts.map((cells) => cells.map(printable)),
      '  ',
    ),
    ...tables,
    ...problems.map(problemText),
  ];
  return `${parts.join('\n')}\n${sumOf(problems, notRead.length > 0)}\n`;
}

function managerLine({ metadata, status: { version, checks } }: ManagerItem, now: number): string {
  const failed = checks.filter(({ ok, optional }) => !ok && optional !== true).map(({ name }) => name);
  const ready = failed.length === 0 ? 'ready' : `not ready (${failed.join(', ')})`;
  const up = humanDuration(now - Date.parse(metadata.creationTimestamp));
  return `${metadata.name}, v${version}, ${ready}, up for ${up}`;
}

function clustersLine({ total, states }: ClusterCounts): string {
  if (total === 0) return 'none (kubectl mcm add-cluster)';
  return `${total}: ${Object.entries(states)
    .map(([state, count]) => `${count} ${STATE_WORDS[state as ClusterState]}`)
    .join(', ')}`;
}

const STATE_WORDS: Readonly<Record<ClusterState, string>> = {
  connected: 'connected',
  disconnected: 'disconnected',
  unknown: 'in a state that is not known',
  receiving: 'sending logs without a tunnel',
  pending: 'not heard of yet',
};

function storeLines({ store, layout, retention, spool, deadLetters }: ManagerStatus, now: number): string[][] {
  const shards = layout.layout === 'shared' ? `, ${layout.shards} shards a day` : '';
  return [
    ['Store:', storeLine(store)],
    ['Layout:', `${layout.layout}, prefix ${layout.prefix}${shards}`],
    ['Retention:', retentionLine(retention, now)],
    ['Spool:', spool === undefined ? 'none (--spool)' : spoolLine(spool, now)],
    ['Dead letters:', deadLetters === undefined ? NOT_READ : `${deadLetters.records} in the last 24 hours`],
  ];
}

function storeLine({ urls, version, health, shards, dataNodes = 0, shardsPerNode = 0, trouble }: StoreStatus): string {
  const facts = [
    `Elasticsearch${version === undefined ? '' : ` ${version}`} at ${urls.join(', ')}`,
    ...(health === undefined ? [] : [health]),
    ...(shards === undefined ? [] : [`${shards} of ${dataNodes * shardsPerNode} shards`]),
    ...(trouble === undefined ? [] : [trouble.reason]),
  ];
  return facts.join(', ');
}

function retentionLine({ ilmPolicy, lastRound }: RetentionStatus, now: number): string {
  if (ilmPolicy !== undefined) return `by the ILM policy ${ilmPolicy}`;
  if (lastRound === undefined) return '<unknown> (another manager looks after old days)';
  return `looked after old days ${humanDuration(now - Date.parse(lastRound))} ago`;
}

function spoolLine({ size, used, records, bytes, backlog }: SpoolStatus, now: number): string {
  const space = `${humanBytes(used)} of ${humanBytes(size)} used`;
  if (records === 0) return `${space}, nothing waits`;
  const clusters = new Set(backlog.map(({ cluster }) => cluster)).size;
  const oldest = Math.min(...backlog.map((one) => Date.parse(one.oldest)));
  const waiting = `${records} records (${humanBytes(bytes)}) of ${plural(clusters, 'cluster')} wait`;
  return `${space}, ${waiting}, the oldest for ${humanDuration(now - oldest)}`;
}

function managerTables({ spool, store, deadLetters }: ManagerStatus, now: number): string[] {
  const waiting = (spool?.backlog ?? []).map(({ cluster, type, records, bytes, oldest, heldBack }) => [
    cluster || '<others>',
    wordOf(type),
    String(records),
    humanBytes(bytes),
    humanDuration(now - Date.parse(oldest)),
    store.trouble?.reason ?? ([...new Set(heldBack.map(({ reason }) => reason))].join(', ') || '<none>'),
  ]);
  const letters = (deadLetters?.counts ?? []).map(({ cluster, type, records, kind }) => [
    cluster,
    wordOf(type),
    String(records),
    kind,
  ]);
  return [
    ...table(['CLUSTER', 'TYPE', 'WAITING', 'SIZE', 'OLDEST', 'HELD BACK BY'], waiting),
    ...table(['CLUSTER', 'TYPE', 'SET ASIDE', 'REASON'], letters),
  ];
}

/** Nothing where there are no rows. */
function table(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const shown = rows.slice(0, MOST_ROWS).map((cells) => cells.map(printable));
  return [`${formatTable(headers, shown)}${moreOf(rows, MOST_ROWS, '')}`];
}

function problemText({ level, message, places, todo }: Problem): string {
  const shown = places.slice(0, MOST_PLACES).map((place) => `  ${printable(place)}\n`);
  return `${level}: ${printable(message)}\n${shown.join('')}${moreOf(places, MOST_PLACES, '  ')}  To do: ${todo}\n`;
}

function moreOf(list: readonly unknown[], most: number, indent: string): string {
  return list.length <= most ? '' : `${indent}and ${list.length - most} more (-o json has all)\n`;
}

function sumOf(problems: readonly Problem[], isPartial: boolean): string {
  const count = (level: Problem['level']) => problems.filter((one) => one.level === level).length;
  if (problems.length === 0) return isPartial ? 'Nothing is wrong in what was read.' : 'Nothing is wrong.';
  return `${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}`;
}
