import { hostname } from 'node:os';
import { readForwarderCredentials } from '../../clusters/forwarder-credentials.ts';
import { UserError } from '../../errors.ts';
import { type ForwardConfig, type ForwardInput, readForwardConfig, usualInputs } from '../../logs/forward/config.ts';
import type { ForwardOptions } from '../../logs/forward/crossing.ts';
import { ForwardMetrics } from '../../logs/forward/forward-metrics.ts';
import { forwardOnce } from '../../logs/forward/forward-once.ts';
import type { ForwardSummary } from '../../logs/forward/summary.ts';
import { isHostName } from '../../logs/record/source.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import { defineCommand, type FlagSpecs } from '../command.ts';
import { parseDuration } from '../duration.ts';
import { printable } from '../print.ts';

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

/** `forward --once`: ships what is new in log files. */
export const command = defineCommand({
  args: [],
  description: `
Ship what is new in a managed cluster's log files to the manager, and remember how far it got. It can be stopped or
killed at any moment and run again: nothing is lost, and nothing is stored twice.

Files are given by flags, or else in a configuration file; otherwise those of the usual places are shipped
(${LOG_TYPES.map((type) => type.file).join(', ')}).

A file is known by its first line that is not blank, whatever it is called: it may be renamed or copied. A last line
without its end is no record yet and waits for the next run. A line that is no record of its type (not JSON, longer than
10 MiB, no usable time, a time that is not kept any more, a field that cannot be indexed) is set aside: the manager keeps
it with the reason in the index kubectl_mcm_dead_letters.CLUSTER.DAY.

What was written before a file was rotated is shipped from the rotated one, if that is still beside it and not
compressed. A pattern ('/var/log/calico/flowlogs/flows.log*') also ships files that came and went between two runs;
compressed ones are left out.

Exit codes: 0 when everything was acknowledged, 3 when not (what is left is said, and shipped by the next run if it is
still there), 1 for errors, also when another run has the state directory.`,
  examples: `
# With the manifest that add-cluster wrote
kubectl mcm forward --once --credentials prod-eu.yaml --flow flows.log --dns dns.log

# From cron, with everything in a file
kubectl mcm forward --once --config /etc/kubectl-mcm/forward.yaml`,
  flags: {
    ...fileFlags,
    once: { type: 'boolean', required: true, description: 'Ship what is there now, then exit.' },
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
    state: {
      type: 'string',
      value: 'DIR',
      description: 'Where to remember what is shipped, for one forwarder (default /var/lib/kubectl-mcm).',
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
      description: 'How long to go on without an acknowledgement before leaving the rest to the next run.',
    },
    'chunk-bytes': {
      type: 'string',
      value: 'BYTES',
      default: '2097152',
      description: 'About how much to send in one upload.',
    },
    output: { type: 'string', short: 'o', value: 'json', choices: ['json'], description: 'Print the summary as JSON.' },
  },
  handlesSignals: true,
  run: async ({ flags, global, io }) => {
    const config: ForwardConfig = flags.config === undefined ? { inputs: [] } : readForwardConfig(flags.config);
    const credentialsPath = flags.credentials ?? config.credentials;
    if (credentialsPath === undefined) {
      throw new UserError('error: no credentials: give --credentials (or "credentials" in the configuration file)', {
        hint: 'the directory of the forwarder\'s Secret, or the manifest that "kubectl mcm add-cluster NAME -o FILE" writes',
      });
    }
    const credentials = readForwarderCredentials(credentialsPath);
    const started = io.now();
    const summary = await forward({
      ...credentials,
      host: hostOf(flags.host ?? config.host ?? io.env.NODE_NAME ?? hostname()),
      inputs: inputsOf(flags as unknown as Readonly<Record<string, readonly string[]>>, config),
      stateDirectory: flags.state ?? config.state ?? '/var/lib/kubectl-mcm',
      retryFor: durationOf(flags['retry-for']),
      chunkBytes: bytesOf(flags['chunk-bytes']),
      signal: io.signal,
      metrics: new ForwardMetrics(),
      events: {
        warning: (text) => io.err.write(`warning: ${printable(text)}\n`),
        detail: (text) => {
          if (global.verbosity >= 2) io.err.write(`${printable(text)}\n`);
        },
      },
    });
    if (summary.types.length === 0 && summary.unreadable.length === 0) {
      io.err.write('warning: none of the usual log files is there; give --flow, --dns, --audit-kube or --audit-ee\n');
    }
    const seconds = (io.now() - started) / 1000;
    const line = flags.output === 'json' ? jsonLine : textLine;
    io.out.write(`${line(credentials.cluster, summary, seconds)}\n`);
    for (const text of [...summary.unreadable, ...summary.incomplete]) io.err.write(`error: ${printable(text)}\n`);
    if (summary.incomplete.length > 0) return INCOMPLETE;
    return summary.unreadable.length > 0 ? 1 : 0;
  },
});

/** Paths and what the manager answers stand in messages, and both are outside data. */
async function forward(options: ForwardOptions): Promise<ForwardSummary> {
  try {
    return await forwardOnce(options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { message, hint, cause } = error;
    throw new UserError(printable(message), { cause, ...(hint === undefined ? {} : { hint }) });
  }
}

function inputsOf(flags: Readonly<Record<string, readonly string[]>>, config: ForwardConfig): readonly ForwardInput[] {
  const given = LOG_TYPES.flatMap((type) => (flags[type.label] ?? []).map((path) => ({ type, path, named: true })));
  if (given.length > 0) return given;
  return config.inputs.length > 0 ? config.inputs : usualInputs();
}

function hostOf(name: string): string {
  if (isHostName(name)) return name;
  throw new UserError(`error: "${name}" cannot be a host's name`, { hint: 'give one with --host' });
}

function durationOf(text: string): number {
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  throw new UserError(`error: invalid argument "${text}" for "--retry-for" flag: time: invalid duration "${text}"`);
}

function bytesOf(text: string): number {
  const bytes = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (bytes >= 1024) return bytes;
  throw new UserError(`error: invalid argument "${text}" for "--chunk-bytes" flag: must be a number of at least 1024`);
}

function textLine(cluster: string, { types }: ForwardSummary, seconds: number): string {
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

function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function jsonLine(cluster: string, { types, unreadable, incomplete }: ForwardSummary, seconds: number): string {
  return JSON.stringify({
    cluster,
    types: types.map(({ type, ...counts }) => ({ type: type.label, ...counts })),
    unreadable,
    incomplete,
    seconds,
  });
}
