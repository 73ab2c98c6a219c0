import { codeOf, messageOf, UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Turns } from '../../turns.ts';
import type { Io } from '../command.ts';
import { type AskedLogs, printAsked } from '../logs/asked-logs.ts';
import { LogReads } from '../logs/log-reads.ts';
import { newTurns } from '../logs/shown-logs.ts';
import { humanBytes } from '../stored-days.ts';
import { ExportDirectory } from './export-directory.ts';
import { exportLog } from './export-log.ts';
import { ExportProgress } from './export-progress.ts';
import { type ExportedLog, isLeftOut, type Manifest, type Question } from './manifest.ts';

/** Logs that are read at once: the manager serves four reads at a time, and others want some. */
const AT_ONCE = 3;

/** Records of one answer. */
const PAGE = 5_000;

const AGAIN = 'run the same command again: it goes on where it was';

export interface ExportOptions {
  readonly client: KubeClient;
  readonly path: string;
  readonly asked: AskedLogs;
  /** Only asked for where the export is a new one. */
  readonly clusters: () => Promise<readonly string[]>;
  readonly question: Question;
  readonly compressed: boolean;
  readonly partBytes?: number;
}

/**
 * Writes logs into a folder, as `manifest.json` there says. What an earlier run has done is not done again.
 * @returns the manifest as it is in the end @throws UserError, StatusError, ConnectionError
 */
export async function exportLogs(options: ExportOptions, io: Io): Promise<Manifest> {
  const { path, question, asked } = options;
  const begin = async () => newManifest(question, asked, await options.clusters(), io.now());
  const directory = await ExportDirectory.open(path, question, begin);
  try {
    await exportRest(directory, options, io);
    return directory.manifest;
  } catch (error) {
    throw resumable(error);
  } finally {
    directory.release();
  }
}

function newManifest(question: Question, asked: AskedLogs, clusters: readonly string[], now: number): Manifest {
  const until = asked.until ?? now;
  const logs = asked.types.flatMap(({ type }) =>
    clusters.map((cluster) => ({
      type: type.label,
      cluster,
      records: 0,
      bytes: 0,
      files: [],
      finished: false,
      shortcomings: [],
    })),
  );
  return {
    version: 1,
    finished: false,
    question,
    query: printAsked({ ...asked, until }),
    since: asked.since === undefined ? null : new Date(asked.since).toISOString(),
    until: new Date(until).toISOString(),
    clusters,
    started: new Date(now).toISOString(),
    ended: null,
    records: 0,
    bytes: 0,
    logs,
  };
}

async function exportRest(directory: ExportDirectory, options: ExportOptions, io: Io): Promise<void> {
  const { manifest } = directory;
  let records = manifest.records;
  const isDone = (log: ExportedLog) => log.finished || isLeftOut(log);
  const left = manifest.logs.filter((log) => !log.finished);
  if (left.length === 0) return;
  // What was refused before may be granted now.
  for (const log of left) log.shortcomings = log.shortcomings.filter(({ kind }) => kind !== 'Refused');
  const progress = new ExportProgress(io.err, () => ({
    records,
    done: manifest.logs.filter(isDone).length,
    logs: manifest.logs.length,
  }));
  const stopped = new AbortController();
  const turns = new Turns({ atOnce: AT_ONCE, waiting: Number.POSITIVE_INFINITY });
  const saves = new Turns({ atOnce: 1, waiting: Number.POSITIVE_INFINITY });
  const signal = AbortSignal.any([io.signal, stopped.signal]);
  const reads = new LogReads({ client: options.client, turns: newTurns(), signal });
  const onRecords = (count: number) => {
    records += count;
  };
  const onFile = () => saves.take(() => directory.saveSometimes(), signal);
  try {
    const exporting = left.map((log) =>
      turns.take(
        () =>
          exportLog(sourceOf(log, manifest, options.asked), log, {
            ...options,
            reads,
            directory,
            onRecords,
            onFile,
            signal,
          }),
        signal,
      ),
    );
    await Promise.all(exporting).catch(async (error: unknown) => {
      stopped.abort(error);
      await Promise.allSettled(exporting);
      throw error;
    });
    manifest.finished = true;
    manifest.ended = new Date(io.now()).toISOString();
  } finally {
    progress.end();
    await directory.save();
  }
}

function sourceOf({ type: label, cluster }: ExportedLog, { since, until }: Manifest, { types }: AskedLogs) {
  const asked = types.find(({ type }) => type.label === label);
  if (asked === undefined) throw new Error(`the manifest has a type that is not asked for: ${label}`);
  const { type, filter } = asked;
  const range = {
    arrivedSince: undefined,
    since: since === null ? undefined : Date.parse(since),
    until: Date.parse(until),
  };
  return { clusters: [cluster], type, parameters: { ...range, filter, order: 'asc' as const, limit: PAGE } };
}

/** The same, saying that nothing is lost by it. */
function resumable(error: unknown): unknown {
  const disk = codeOf(error) === 'ENOSPC' || codeOf(error) === 'EFBIG' || codeOf(error) === 'EDQUOT';
  if (disk) return new UserError(`error: ${messageOf(error)}`, { hint: `make room and ${AGAIN}`, cause: error });
  if (!(error instanceof UserError)) return error;
  const hint = error.hint === undefined ? AGAIN : `${error.hint}\n${AGAIN}`;
  return new UserError(error.message, { hint, cause: error, exitCode: error.exitCode });
}

/** `records 1200 of 2 logs (1 cluster), 1.1MiB in 2 files`, for people. */
export function summaryOf({ records, bytes, logs, clusters }: Manifest, path: string): string {
  const files = logs.reduce((sum, log) => sum + log.files.length, 0);
  const of = `${clusters.length} ${clusters.length === 1 ? 'cluster' : 'clusters'}`;
  return `${records} records of ${of} exported into ${path}: ${humanBytes(bytes)} in ${files} ${files === 1 ? 'file' : 'files'}\n`;
}
