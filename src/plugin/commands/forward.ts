import { UserError } from '../../errors.ts';
import { COMPRESSIONS } from '../../logs/forward/compression.ts';
import type { ForwardSettings } from '../../logs/forward/crossing.ts';
import { forwardOnce } from '../../logs/forward/forward-once.ts';
import { planForward } from '../../logs/forward/plan.ts';
import { type ForwardEvents, ForwardSummary } from '../../logs/forward/summary.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import { CatchUpProgress } from '../catch-up-progress.ts';
import { defineCommand, type FlagSpecs, type Io } from '../command.ts';
import { durationOf } from '../duration.ts';
import { ELASTICSEARCH_FLAGS } from '../elasticsearch-flags.ts';
import type { Imported } from '../forward-import.ts';
import { DEFAULT_STATE, readForwardSettings } from '../forward-options.ts';
import { planJson, planTable, summaryJson, summaryLine } from '../forward-report.ts';
import { parseListenAddress } from '../host-port.ts';
import { printable } from '../print.ts';
import { settleMemory } from '../settle-memory.ts';

/** Exit code when not everything was acknowledged. */
const INCOMPLETE = 3;

const fileFlags: FlagSpecs = Object.fromEntries(
  LOG_TYPES.map((type) => [
    type.label,
    {
      type: 'strings',
      value: 'FILE',
      description: `File of ${type.label} logs (${type.description}), or a pattern in quotes; can be repeated.`,
    } as const,
  ]),
);

/** `forward`: ships log files, as they grow or in runs. */
export const command = defineCommand({
  args: [],
  description: `
Ship a managed cluster's log files to the manager, and remember how far it got. It follows the files and ships new lines
within a second, until it is stopped; with --once it ships what is there and exits, with --every it does that every so
often. It can be stopped or killed at any moment and run again: nothing is lost, and nothing is stored twice.

Files are given by flags, or else in a configuration file; otherwise those of the usual places are shipped
(${LOG_TYPES.flatMap((type) => type.files).join(', ')}).

A file is known by its first line that is not blank, whatever it is called: it may be renamed or copied. A last line
without its end is no record yet and waits for it. A line that is no record of its type (not JSON, longer than 10 MiB, no
usable time, a time that is not kept any more, a field that cannot be indexed) is set aside: the manager keeps it with
the reason in the index kubectl_mcm_dead_letters.CLUSTER.DAY.

A file that is rotated while it is followed is held and read to its end. What was written before a file was rotated
between two runs is shipped from the rotated one, if that is still beside it, also when it was compressed to .gz since. A
pattern ('/var/log/calico/flowlogs/flows.log*') also ships files that came and went between two runs; of those that are
compressed it finds none.

Without --once it logs JSON lines on stdout, and a heartbeat for each type of logs every minute. While the manager is
away it waits and tries again. What is not acknowledged is held by the files; of one that is deleted or renamed meanwhile,
and would not be found again, it is copied to the spool in the state directory, up to --spool-size, and shipped from there.
What is lost is counted, and stored as a gap in the index kubectl_mcm_gaps.CLUSTER.DAY. SIGTERM ends it with what is under way
acknowledged or given up within five seconds (exit code 0); SIGHUP reads the configuration file and the credentials
again, and goes on as it was if they are not in order. --health-listen serves /livez, /readyz (503 when a file has data
and nothing of it was acknowledged for --stalled-after) and /metrics. kubectl mcm forward status shows how far it is.

--import FILE ships what stands in a file of another form once, and exits as --once does: a JSON array, a Kubernetes list
(an EventList of the audit webhook), several of them, or records one on a line; also compressed by gzip. --type says what
they are. It can be run again: what is stored already is known again, if the file and --host are the same. It takes as
much room in the state directory as the records do uncompressed.

With --elasticsearch it writes straight into the Elasticsearch that the manager would store the records in: the same
records with the same ids in the same indices, so that what came by the one way is not stored again by the other. What
it takes is a right to create documents in all of them: give it to nodes that may have it.

Exit codes of --once: 0 when everything was acknowledged, 3 when not (what is left is said, and shipped by the next run
if it is still there) or when another forwarder has the state directory, 1 for errors.`,
  examples: `
# As a service of a node, with everything in a file
kubectl mcm forward --config /etc/kubectl-mcm/forward.yaml --health-listen :9091

# With the manifest that add-cluster wrote
kubectl mcm forward --once --credentials prod-eu.yaml --flow flows.log --dns dns.log

# Straight into Elasticsearch
kubectl mcm forward --elasticsearch https://10.0.0.9:9200 --elasticsearch-credentials elasticsearch.yaml \\
  --cluster prod-eu --flow flows.log

# Audit events that a cloud has exported
kubectl mcm forward --import events.json.gz --type audit-kube --credentials prod-eu.yaml --state ./import --host eks

# What would be shipped, and from where on
kubectl mcm forward --dry-run --config /etc/kubectl-mcm/forward.yaml`,
  flags: {
    ...fileFlags,
    once: { type: 'boolean', description: 'Ship what is there now, then exit.' },
    every: { type: 'string', value: 'DURATION', description: 'Ship what is there now, again every so often.' },
    import: {
      type: 'strings',
      value: 'FILE',
      description:
        'Ship the records in this file (JSON array, Kubernetes list, lines; gzip), then exit; can be repeated.',
    },
    type: {
      type: 'string',
      value: 'TYPE',
      choices: LOG_TYPES.map(({ label }) => label),
      description: 'Of which type the records of --import are.',
    },
    'dry-run': {
      type: 'boolean',
      description: 'Only print which files would be shipped, from which offset, and how many bytes.',
    },
    config: {
      type: 'string',
      value: 'FILE',
      description: 'YAML with credentials, state, host and files (a list for each log type); what flags say wins.',
    },
    credentials: {
      type: 'string',
      value: 'PATH',
      description: "The forwarder's Secret: the directory it is mounted in, or the manifest that add-cluster wrote.",
    },
    elasticsearch: {
      type: 'string',
      value: 'URL',
      description:
        'Write straight into this Elasticsearch, 8 or 9, instead of sending to the manager; needs --cluster. Several nodes with commas between their URLs.',
    },
    ...ELASTICSEARCH_FLAGS,
    cluster: {
      type: 'string',
      value: 'NAME',
      description: 'Under which name the records are stored, with --elasticsearch; else the certificate says it.',
    },
    state: {
      type: 'string',
      value: 'DIR',
      description: `Where to remember what is shipped, for one forwarder (default ${DEFAULT_STATE}).`,
    },
    host: {
      type: 'string',
      value: 'NAME',
      description: "This node's name in the records (default $NODE_NAME, else the host name).",
    },
    'retry-for': {
      type: 'string',
      value: 'DURATION',
      default: '30s',
      description: 'How long a run goes on without an acknowledgement before it leaves the rest to the next one.',
    },
    'chunk-bytes': {
      type: 'string',
      value: 'BYTES',
      default: '2097152',
      description: 'About how much to send in one upload.',
    },
    compression: {
      type: 'string',
      value: COMPRESSIONS.join('|'),
      choices: COMPRESSIONS,
      description:
        'How uploads to the manager are compressed (default gzip, at its fastest). zstd takes half the processor time at both ends, and the manager of this version understands it.',
    },
    'spool-size': {
      type: 'string',
      value: 'BYTES',
      default: '1Gi',
      description:
        'How much may be kept in the state directory of files that are gone before they were shipped; 0 for nothing.',
    },
    'when-full': {
      type: 'string',
      value: 'ACTION',
      default: 'block',
      choices: ['block', 'drop-oldest'],
      description: 'When the spool is full: hold such files open until there is room, or drop what was spooled first.',
    },
    'health-listen': {
      type: 'string',
      value: 'HOST:PORT',
      description: 'Where to serve /livez, /readyz and /metrics, in plain HTTP. Default: nowhere.',
    },
    'stalled-after': {
      type: 'string',
      value: 'DURATION',
      default: '1m',
      description: 'How long data may wait without any acknowledgement before /readyz fails.',
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'json',
      choices: ['json'],
      description: 'Print the summary of --once, or the files of --dry-run, as JSON.',
    },
  },
  handlesSignals: true,
  run: async ({ flags, global, io }) => {
    const { every, output, 'dry-run': dryRun, 'health-listen': health } = flags;
    const imported = importOf(flags);
    const once = flags.once || imported !== undefined;
    if (once && every !== undefined) throw new UserError('error: --once and --every exclude one another');
    const serves = !once && !dryRun;
    if (serves && output !== undefined) throw new UserError('error: --output is for --once, --import and --dry-run');
    if (!serves && health !== undefined)
      throw new UserError('error: --health-listen is not for --once, --import or --dry-run');
    const read = () => readForwardSettings(flags, io.env);
    const json = output === 'json';
    const events: ForwardEvents = {
      warning: (text) => io.err.write(`warning: ${printable(text)}\n`),
      detail: (text) => {
        if (global.verbosity >= 2) io.err.write(`${printable(text)}\n`);
      },
    };
    if (dryRun) return await plan(read(), events, json, io);
    settleMemory();
    if (imported !== undefined) {
      const { withImportedLines } = await import('../forward-import.ts');
      return await withImportedLines(read(), imported, io.signal, (settings) => runOnce(settings, events, json, io));
    }
    if (once) return await runOnce(read(), events, json, io);
    // What only a service needs is a fifth of what a run would have in memory.
    const { runForwardService } = await import('../forward-service.ts');
    const service = {
      read,
      every: every === undefined ? undefined : durationOf('every', every),
      health: health === undefined ? undefined : parseListenAddress('health-listen', health),
      stalledAfter: durationOf('stalled-after', flags['stalled-after']),
      level: global.verbosity >= 2 ? ('debug' as const) : ('info' as const),
      terminal: io.err,
    };
    await inPrintableWords(() => runForwardService(service, io.signal));
    return 0;
  },
});

/** @throws UserError where it is not said of what type they are, or more is asked for than to ship them. */
function importOf(flags: Readonly<Record<string, unknown>> & ImportFlags): Imported | undefined {
  const type = LOG_TYPES.find(({ label }) => label === flags.type);
  if (flags.import.length === 0) {
    if (type !== undefined) throw new UserError('error: --type is for --import');
    return undefined;
  }
  if (type === undefined) throw new UserError('error: --import needs --type: of which type the records are');
  const others = ['once', 'every', 'dry-run', ...LOG_TYPES.map(({ label }) => label)];
  const other = others.find((name) => [flags[name]].flat().some((value) => value !== undefined && value !== false));
  if (other !== undefined) throw new UserError(`error: --import and --${other} exclude one another`);
  return { files: flags.import, type };
}

interface ImportFlags {
  readonly import: readonly string[];
  readonly type: string | undefined;
}

async function plan(settings: ForwardSettings, events: ForwardEvents, json: boolean, io: Io): Promise<number> {
  const { cluster } = settings;
  const planned = await inPrintableWords(() => planForward({ ...settings, events }));
  io.out.write(json ? planJson(cluster, planned) : planTable(planned));
  return tellUndone(planned.summary, io);
}

async function runOnce(settings: ForwardSettings, events: ForwardEvents, json: boolean, io: Io): Promise<number> {
  const { cluster } = settings;
  const started = io.now();
  const summary = new ForwardSummary();
  const progress = new CatchUpProgress(io.err, () => summary.leftBytes);
  const options = { ...settings, events, signal: io.signal };
  await inPrintableWords(() => forwardOnce(options, summary)).finally(() => progress.end());
  if (summary.types.length === 0 && summary.unreadable.length === 0) {
    io.err.write('warning: none of the usual log files is there; give --flow, --dns, --audit-kube or --audit-ee\n');
  }
  const line = json ? summaryJson : summaryLine;
  io.out.write(`${line(cluster, summary, (io.now() - started) / 1000)}\n`);
  return tellUndone(summary, io);
}

/** Says what was not done, and returns the exit code for it. */
function tellUndone({ unreadable, incomplete }: ForwardSummary, io: Io): number {
  for (const text of [...unreadable, ...incomplete]) io.err.write(`error: ${printable(text)}\n`);
  if (incomplete.length > 0) return INCOMPLETE;
  return unreadable.length > 0 ? 1 : 0;
}

/** Paths and what the other end answers stand in messages, and both are outside data. */
async function inPrintableWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { message, hint, cause, exitCode } = error;
    throw new UserError(printable(message), { cause, hint, exitCode });
  }
}
