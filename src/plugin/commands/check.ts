import { OPERATOR_NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { checkReport, exitCodeOf, marksFor } from '../check/check-report.ts';
import { clusterSections, fleetSection } from '../check/cluster-sections.ts';
import type { Section } from '../check/finding.ts';
import { planeChecks } from '../check/plane-checks.ts';
import { managedPreChecks, managementPreChecks } from '../check/pre-checks.ts';
import { defineCommand, type FlagValues, type GlobalOptions, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { printableJson, toYaml } from '../print.ts';
import { readPlane } from '../status/plane.ts';

const FLAGS = {
  pre: {
    type: 'boolean',
    description:
      'Check what "install management", "add-cluster" and "install managed" need, before anything is installed.',
  },
  'managed-context': {
    type: 'string',
    value: 'NAME',
    completes: 'contexts',
    description: 'Look into the managed cluster itself, by this kubeconfig context: address, keys, rights.',
  },
  'operator-namespace': {
    type: 'string',
    value: 'NAME',
    default: OPERATOR_NAMESPACE,
    description: 'With --pre: namespace of tigera-operator in the managed cluster.',
  },
  output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['json', 'yaml'], description: 'Output format.' },
} as const;

/** `check [CLUSTER]`: what is wrong, in the order in which one thing needs another. */
export const command = defineCommand({
  args: ['[CLUSTER]'],
  completes: ['managed-clusters'],
  description: `
Check the management plane step by step, each step needing those before: API server, address, certificates, API services,
manager, store, spool, and what older ways to connect clusters have left behind. What is wrong is told with its cause, what
mends it, and the check's id, which stays the same from version to version.

With a CLUSTER, also that one: its certificates, its tunnel, and how far behind its logs are. With --managed-context, what
it has itself: the address that Guardian dials, its keys, its rights. Without a CLUSTER, all clusters are looked at, and
those are shown that are not in order.

Name, port and TLS are tried from where you are, which may be another network than the clusters'. The exit code is 1 when
something is wrong; warnings are not counted. "kubectl mcm status" shows the same on one screen, without the steps.`,
  examples: `
kubectl mcm check

# Why is prod-eu not connected?
kubectl mcm check prod-eu --managed-context prod-eu

# May I install it here, and connect that cluster?
kubectl mcm check --pre --managed-context prod-eu

# For scripts: the ids of what is wrong
kubectl mcm check -o json | jq -r '.[].findings[] | select(.level == "error").id'`,
  flags: FLAGS,
  run: async ({ args, flags, global, io }) => {
    const [cluster] = args;
    const sections = flags.pre ? await pre(cluster, flags, global, io) : await check(cluster, flags, global, io);
    if (flags.output === 'json') io.out.write(`${printableJson(sections, 4)}\n`);
    else if (flags.output === 'yaml') io.out.write(toYaml([sections]));
    else {
      const isTerminal = 'isTTY' in io.out && io.out.isTTY === true;
      io.out.write(checkReport(sections, marksFor(isTerminal, io.env)));
    }
    return exitCodeOf(sections);
  },
});

async function pre(
  cluster: string | undefined,
  flags: FlagValues<typeof FLAGS>,
  global: GlobalOptions,
  io: Io,
): Promise<readonly Section[]> {
  if (cluster !== undefined) throw new UserError('error: --pre is of what is not installed yet; leave the cluster out');
  const context = flags['managed-context'];
  return [
    await managementPreChecks(connect(global, io), io.signal),
    ...(context === undefined
      ? []
      : [await managedPreChecks(connect(global, io, context), flags['operator-namespace'], io.signal)]),
  ];
}

async function check(
  cluster: string | undefined,
  flags: FlagValues<typeof FLAGS>,
  global: GlobalOptions,
  io: Io,
): Promise<readonly Section[]> {
  const context = flags['managed-context'];
  if (context !== undefined && cluster === undefined) {
    throw new UserError('error: --managed-context needs the name of its cluster: kubectl mcm check CLUSTER');
  }
  const client = connect(global, io);
  const managed = context === undefined ? undefined : connect(global, io, context);
  const { signal } = io;
  const now = io.now();
  const plane = await readPlane(client, signal);
  const management = { title: 'management cluster', findings: await planeChecks({ client, plane, now, signal }) };
  if (cluster === undefined) return [management, fleetSection(plane, now)];
  return [management, ...(await clusterSections({ client, plane, managed, cluster, now, signal }))];
}
