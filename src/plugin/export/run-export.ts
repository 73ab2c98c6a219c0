import { UserError } from '../../errors.ts';
import { printFilter } from '../../logs/query/print-filter.ts';
import type { FlagValues, GlobalOptions, Io } from '../command.ts';
import { connect } from '../connect.ts';
import type { AskedLogs } from '../logs/asked-logs.ts';
import { type CLUSTER_FLAGS, chosenClusters } from '../logs/chosen-clusters.ts';
import { PARTIAL, warningsOf } from '../logs/shortcomings.ts';
import type { TIME_FLAGS } from '../logs/time-flags.ts';
import { exportLogs, summaryOf } from './export-logs.ts';
import type { Question } from './manifest.ts';

/** Flags of `logs` that count for an export, or contradict it. */
type ExportFlags = FlagValues<typeof CLUSTER_FLAGS> &
  FlagValues<typeof TIME_FLAGS> & {
    readonly follow: boolean;
    readonly gzip: boolean;
    readonly order: string;
    readonly output: string;
    readonly strict: boolean;
    readonly tail: string | undefined;
  };

export interface RunExportOptions {
  readonly path: string;
  readonly asked: AskedLogs;
  readonly flags: ExportFlags;
  readonly global: GlobalOptions;
}

/** `logs --export DIR`. Resolves with the exit code. @throws UserError */
export async function runExport({ path, asked, flags, global }: RunExportOptions, io: Io): Promise<number> {
  refuseContradictions(flags);
  const client = connect(global, io);
  const clusters = () => chosenClusters(client, flags, io.signal);
  const question = questionOf(asked, flags, client.context.server);
  const manifest = await exportLogs({ client, path, asked, clusters, question, compressed: flags.gzip }, io);
  const warnings = warningsOf(
    manifest.logs.flatMap(({ shortcomings }) => shortcomings),
    io.now(),
  );
  for (const warning of warnings) io.err.write(warning);
  if (flags.strict && warnings.length > 0) {
    throw new UserError('error: these logs cannot be exported as a whole, which --strict asks for');
  }
  io.out.write(summaryOf(manifest, path));
  return warnings.length === 0 ? 0 : PARTIAL;
}

function refuseContradictions({ follow, order, output, tail }: ExportFlags): void {
  const refused = [
    ...(follow ? ['--follow'] : []),
    ...(tail === undefined ? [] : ['--tail']),
    ...(order === 'asc' ? [] : [`--order ${order}`]),
    ...(['compact', 'json', 'jsonl'].includes(output) ? [] : [`-o ${output}`]),
  ];
  if (refused.length === 0) return;
  throw new UserError(
    `error: an export is all records, the oldest first, as JSON: ${refused.join(', ')} cannot be had`,
    {
      hint: '--since, --until and what filters say which records',
    },
  );
}

function questionOf(asked: AskedLogs, flags: ExportFlags, server: string): Question {
  const filters = asked.types.map(({ type: { label }, filter }) => [
    label,
    filter === undefined ? null : printFilter(filter),
  ]);
  return {
    server,
    cluster: flags.cluster,
    selector: flags.selector ?? null,
    'all-clusters': flags['all-clusters'],
    since: flags.since ?? flags['since-time'] ?? null,
    until: flags.until ?? null,
    query: Object.fromEntries(filters),
    gzip: flags.gzip,
  };
}
