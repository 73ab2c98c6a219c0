import type { Writable } from 'node:stream';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Order } from '../../logs/query/log-query.ts';
import { Turns } from '../../turns.ts';
import type { Io } from '../command.ts';
import { humanDuration } from '../duration.ts';
import type { AskedLogs } from './asked-logs.ts';
import type { LogPrinter } from './log-printer.ts';
import { type FoundItem, LogReads, type LogSource, type Shortcoming } from './log-reads.ts';
import { mergeByTime } from './merge-by-time.ts';

/** Requests at once: kube-apiserver has as many places for one user, and others want some. */
const MOST_AT_ONCE = 8;

/** Records of one answer, and of all answers that are held at once where there are many clusters. */
const LONGEST_PAGE = 1_000;
const SHORTEST_PAGE = 50;
const MOST_HELD = 20_000;

/** Records that are printed at once. */
const LOT = 500;

export interface ShowOptions {
  readonly client: KubeClient;
  readonly clusters: readonly string[];
  readonly asked: AskedLogs;
  readonly printer: LogPrinter;
  /** An answer that is not whole is a failure. */
  readonly strict: boolean;
}

/** What became of a read. */
export interface Shown {
  readonly records: number;
  /** What keeps the answer from being whole, a line each. */
  readonly warnings: readonly string[];
}

/**
 * Prints the logs of clusters as one list by time. Where only the newest are asked for they are held until all of them
 * are known; everything else is printed as it comes.
 *
 * @throws StatusError what the API server said where it refused everything, UserError where `strict` is not to be had
 */
export async function showLogs({ client, clusters, asked, printer, strict }: ShowOptions, io: Io): Promise<Shown> {
  const { order, tail } = asked;
  // The newest are found from the end.
  const reading: Order = tail === undefined ? order : 'desc';
  const sources = sourcesOf(clusters, asked, reading);
  const turns = new Turns({ atOnce: MOST_AT_ONCE, waiting: Number.POSITIVE_INFINITY });
  const reads = new LogReads(client, turns, io.signal);
  const merged = mergeByTime(
    sources.map((source) => reads.pages(source)),
    reading,
  );
  let records = 0;
  for await (const lot of lotsOf(merged, { tail, reversed: reading !== order })) {
    if (strict) refuseShortcomings(reads.shortcomings, sources, io);
    records += lot.length;
    await write(io.out, printer(lot), io.signal);
  }
  const { shortcomings } = reads;
  throwIfAllRefused(shortcomings, sources);
  if (strict) refuseShortcomings(shortcomings, sources, io);
  return { records, warnings: warningsOf(shortcomings, io.now()) };
}

function sourcesOf(clusters: readonly string[], asked: AskedLogs, order: Order): LogSource[] {
  const { types, since, until, tail } = asked;
  const fair = Math.floor(MOST_HELD / Math.max(clusters.length * types.length, 1));
  const page = Math.min(Math.max(fair, SHORTEST_PAGE), LONGEST_PAGE);
  const limit = Math.min(page, tail ?? page);
  return clusters.flatMap((cluster) =>
    types.map(({ type, filter }) => ({ cluster, type, parameters: { since, until, filter, order, limit } })),
  );
}

async function* lotsOf(
  merged: AsyncIterable<FoundItem>,
  { tail, reversed }: { readonly tail: number | undefined; readonly reversed: boolean },
): AsyncGenerator<readonly FoundItem[], void, void> {
  let lot: FoundItem[] = [];
  let left = tail ?? Number.POSITIVE_INFINITY;
  for await (const item of merged) {
    lot.push(item);
    if (--left === 0) break;
    if (lot.length < LOT || reversed) continue;
    yield lot;
    lot = [];
  }
  if (reversed) lot.reverse();
  for (let at = 0; at < lot.length; at += LOT) yield lot.slice(at, at + LOT);
}

/** Waits while the reader of a pipe has enough for now. */
async function write(out: Writable, text: string, signal: AbortSignal): Promise<void> {
  if (out.write(text)) return;
  await new Promise<void>((resolve) => {
    out.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function throwIfAllRefused(shortcomings: readonly Shortcoming[], sources: readonly LogSource[]): void {
  const refusals = shortcomings.flatMap((one) => (one.kind === 'refused' ? [one] : []));
  const refused = new Set(refusals.map(({ source }) => source));
  const first = sources.find((source) => refused.has(source));
  if (refused.size === sources.length) throw refusals.find(({ source }) => source === first)?.error ?? new Error();
}

/** @throws UserError where there are any */
function refuseShortcomings(shortcomings: readonly Shortcoming[], sources: readonly LogSource[], io: Io): void {
  if (shortcomings.length === 0) return;
  throwIfAllRefused(shortcomings, sources);
  for (const warning of warningsOf(shortcomings, io.now())) io.err.write(warning);
  throw new UserError('error: these logs cannot be shown as a whole, which --strict asks for');
}

/** In the order of the clusters, whichever answered first; that a cluster is disconnected once for all types. */
function warningsOf(shortcomings: readonly Shortcoming[], now: number): readonly string[] {
  const byCluster = shortcomings.toSorted(
    (a, b) => compare(a.source.cluster, b.source.cluster) || compare(a.kind, b.kind),
  );
  return [...new Set(byCluster.map((shortcoming) => warningOf(shortcoming, now)))];
}

function warningOf(shortcoming: Shortcoming, now: number): string {
  const { cluster, type } = shortcoming.source;
  if (shortcoming.kind === 'refused') {
    const { status } = shortcoming.error;
    return `warning: ${type.label} logs of cluster "${cluster}" are not shown: ${status.message ?? status.reason}\n`;
  }
  const since = Date.parse(shortcoming.since);
  const seconds = new Date(since).toISOString().replace(/\.\d+/, '');
  return `warning: cluster "${cluster}" has been disconnected for ${humanDuration(now - since)}; logs newer than ${seconds} may be missing\n`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
