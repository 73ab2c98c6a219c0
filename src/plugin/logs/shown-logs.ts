import type { Writable } from 'node:stream';
import type { KubeClient } from '../../kube/client.ts';
import type { Order } from '../../logs/query/log-query.ts';
import { Turns } from '../../turns.ts';
import type { Io } from '../command.ts';
import type { AskedLogs } from './asked-logs.ts';
import type { LogPrinter } from './log-printer.ts';
import { type FoundItem, groupsOf, LogReads, type LogSource, type Page } from './log-reads.ts';
import { mergeByTime } from './merge-by-time.ts';
import { refusePartial, Shortcomings } from './shortcomings.ts';

/** Requests at once: kube-apiserver has as many places for one user, and others want some. */
const MOST_AT_ONCE = 8;

/** Records of one answer, and of all answers that are held at once where there are many sources. */
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
  /** What keeps the answer from being whole. */
  readonly shortcomings: Shortcomings;
}

/**
 * Prints the logs of clusters as one list by time. Where only the newest are asked for they are held until all of them
 * are known; everything else is printed as it comes, and `onPrinted` is told.
 *
 * @throws StatusError what the API server said where it refused everything, UserError where `strict` is not to be had
 */
export async function showLogs(
  { client, clusters, asked, printer, strict }: ShowOptions,
  io: Io,
  onPrinted: (items: readonly FoundItem[]) => void = () => undefined,
): Promise<Shown> {
  const { order, tail } = asked;
  // The newest are found from the end.
  const reading: Order = tail === undefined ? order : 'desc';
  const sources = sourcesOf(clusters, asked, reading);
  const reads = new LogReads({ client, turns: newTurns(), signal: io.signal });
  const shortcomings = new Shortcomings();
  const merged = mergeByTime(
    sources.map((source) => noting(reads.pages(source), shortcomings)),
    reading,
  );
  let records = 0;
  for await (const lot of lotsOf(merged, tail, reading === order ? undefined : order)) {
    if (strict) refusePartial(shortcomings.all, io.err, io.now());
    records += lot.length;
    await write(io.out, printer(lot), io.signal);
    onPrinted(lot);
  }
  const types = asked.types.map(({ type }) => type);
  shortcomings.throwIfNothingIsLeft(clusters, types);
  if (strict) refusePartial(shortcomings.all, io.err, io.now());
  return { records, shortcomings };
}

export function newTurns(): Turns {
  return new Turns({ atOnce: MOST_AT_ONCE, waiting: Number.POSITIVE_INFINITY });
}

/** What is to be read, so many records in each answer that all of them can be held. */
export function sourcesOf(clusters: readonly string[], asked: AskedLogs, order: Order): LogSource[] {
  const { types, since, until, tail } = asked;
  const groups = groupsOf(clusters);
  const fair = Math.floor(MOST_HELD / Math.max(groups.length * types.length, 1));
  const page = Math.min(Math.max(fair, SHORTEST_PAGE), LONGEST_PAGE);
  const limit = Math.min(page, tail ?? page);
  return groups.flatMap((group) =>
    types.map(({ type, filter }) => ({
      clusters: group,
      type,
      parameters: { since, until, arrivedSince: undefined, filter, order, limit },
    })),
  );
}

/** Pages as they come, with what is said in them put there. */
async function* noting(pages: AsyncIterable<Page>, shortcomings: Shortcomings): AsyncGenerator<Page, void, void> {
  for await (const page of pages) {
    shortcomings.add(page.shortcomings);
    yield page;
  }
}

/** `order` is given where the newest are to be shown in another one than they come in. */
async function* lotsOf(
  merged: AsyncIterable<FoundItem>,
  tail: number | undefined,
  order: Order | undefined,
): AsyncGenerator<readonly FoundItem[], void, void> {
  let lot: FoundItem[] = [];
  let left = tail ?? Number.POSITIVE_INFINITY;
  for await (const item of merged) {
    lot.push(item);
    if (--left === 0) break;
    if (lot.length < LOT || order !== undefined) continue;
    yield lot;
    lot = [];
  }
  if (order !== undefined) lot.reverse();
  if (order === 'arrival') lot.sort((a, b) => a.item.ingested - b.item.ingested);
  for (let at = 0; at < lot.length; at += LOT) yield lot.slice(at, at + LOT);
}

/** Waits while the reader of a pipe has enough for now. */
export async function write(out: Writable, text: string, signal: AbortSignal): Promise<void> {
  if (out.write(text)) return;
  await new Promise<void>((resolve) => {
    out.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
