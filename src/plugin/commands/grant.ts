import { MANAGED_CLUSTERS_PATH, MANAGEMENT_CLUSTER, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeList } from '../../kube/objects.ts';
import { LOG_TYPES, SELECTOR_WORDS } from '../../logs/types/index.ts';
import { logGrant } from '../../rbac/needed-grant.ts';
import { SUBJECT_FLAGS, subjectFrom } from '../access/subject-flags.ts';
import { writeObjects } from '../access/write-objects.ts';
import { defineCommand, type FlagValues } from '../command.ts';
import { connect } from '../connect.ts';
import { DRY_RUN_FLAG } from '../dry-run.ts';
import { typesOf } from '../logs/asked-logs.ts';
import { CLUSTER_FLAGS, chosenClusters } from '../logs/chosen-clusters.ts';
import { toYaml } from '../print.ts';

/** `grant [USER]`: the right to read logs. */
export const command = defineCommand({
  args: ['[USER]'],
  description: `
Let a user, a group or a ServiceAccount read logs: of these clusters, of these types. It writes a ClusterRole and a
ClusterRoleBinding in the form of Calico's documentation (API group lma.tigera.io), named after whom they are for and what
they grant. So it can be run again at any time, and never takes away or widens what was granted before.

The clusters are those that there are at this moment; with --all-clusters, also those to come. A right works at once;
one that is taken away (kubectl delete clusterrolebinding) works for up to ten seconds more.`,
  examples: `
# alice may read the flows and the DNS logs of prod-eu
kubectl mcm grant alice --cluster prod-eu --type flow,dns

# The group store may read the audit logs of all clusters that there are and will be
kubectl mcm grant --group store --all-clusters --type audit

# A ServiceAccount, as objects for git
kubectl mcm grant --serviceaccount default:reader --cluster 'edge-*' --type flow --dry-run=client -o yaml`,
  flags: {
    ...SUBJECT_FLAGS,
    cluster: {
      ...CLUSTER_FLAGS.cluster,
      description: `A managed cluster, several (a,b) or those of a pattern ('prod-*'); "${MANAGEMENT_CLUSTER}" is the management cluster. Can be repeated.`,
    },
    selector: CLUSTER_FLAGS.selector,
    'all-clusters': { type: 'boolean', description: 'Every cluster that there is or will be.' },
    type: {
      type: 'string',
      value: 'TYPE',
      completes: 'log-types',
      required: true,
      description: `Which logs: ${SELECTOR_WORDS.join(', ')}; several separated by commas.`,
    },
    ...DRY_RUN_FLAG,
    output: { type: 'string', short: 'o', value: 'yaml', choices: ['yaml'], description: 'Print the objects.' },
  },
  run: async ({ args, flags, global, io }) => {
    const subject = subjectFrom(args[0], flags);
    const types = typesOf(flags.type);
    const client = connect(global, io);
    const clusters = await grantedClusters(client, flags, io.signal);
    // In one order, so that the same words in another have the same name.
    const inOrder = LOG_TYPES.filter((type) => types.includes(type));
    const objects = logGrant(
      subject,
      clusters.flatMap((cluster) => inOrder.map((type) => ({ cluster, type }))),
    );
    const dryRun = flags['dry-run'];
    const out = flags.output === undefined ? io.out : io.err;
    await writeObjects([{ client, objects, where: '' }], dryRun, { out, signal: io.signal });
    if (flags.output !== undefined) io.out.write(toYaml(objects));
    if (dryRun !== 'client') io.err.write(await unknownClusters(client, clusters, io.signal));
    return 0;
  },
});

async function grantedClusters(
  client: KubeClient,
  flags: FlagValues<typeof CLUSTER_FLAGS>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { cluster, selector, 'all-clusters': all } = flags;
  if (all && cluster.length === 0 && selector === undefined) return ['*'];
  if (!all && cluster.length === 0 && selector === undefined) {
    throw new UserError('error: one of --cluster, --selector and --all-clusters is required');
  }
  return await chosenClusters(client, flags, signal);
}

/** A warning where a name may be mistyped: rights to clusters that are not there yet are nothing wrong. */
async function unknownClusters(client: KubeClient, names: readonly string[], signal: AbortSignal): Promise<string> {
  const list = await client.get<KubeList<ManagedCluster>>(MANAGED_CLUSTERS_PATH, { signal }).catch(() => undefined);
  if (list === undefined) return '';
  const known = new Set(['*', MANAGEMENT_CLUSTER, ...list.items.map(({ metadata }) => metadata.name)]);
  return names
    .filter((name) => !known.has(name))
    .map((name) => `warning: there is no managed cluster "${name}" yet\n`)
    .join('');
}
