import { OPERATOR_NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import { logGrant } from '../../rbac/needed-grant.ts';
import type { Subject } from '../../rbac/rbac-objects.ts';
import { bindingTo, enterpriseRole, ownRole, USER_ROLES, type UserRole } from '../../rbac/user-roles.ts';
import { SUBJECT_FLAGS, subjectFrom } from '../access/subject-flags.ts';
import { type ClusterObjects, writeObjects } from '../access/write-objects.ts';
import { defineCommand, type FlagValues } from '../command.ts';
import { connect } from '../connect.ts';
import { connectedAs } from '../connection/managed-side.ts';
import { registeredCluster } from '../connection/registered-cluster.ts';
import { DRY_RUN_FLAG } from '../dry-run.ts';
import { CLUSTER_FLAGS, chosenClusters } from '../logs/chosen-clusters.ts';

const WHICH_FLAGS = {
  'managed-context': {
    type: 'strings',
    value: 'NAME',
    completes: 'contexts',
    description: 'The managed cluster of this kubeconfig context. Can be repeated.',
  },
  selector: {
    ...CLUSTER_FLAGS.selector,
    description: 'The managed clusters with these labels; the kubeconfig needs a context of the name of each.',
  },
} as const;

/** `bind-user [USER]`: rights on both sides, the logs here and the resources there. */
export const command = defineCommand({
  args: ['[USER]'],
  description: `
Give somebody what it takes to work with managed clusters, on both sides: in the management cluster, to see the list of
clusters and to read every log of these; in each managed cluster, what --role says:

  ui-user         to see workloads, Services and policies (no Secrets)
  network-admin   also to change Calico's and Kubernetes' network policies

In the managed cluster that is the ClusterRole tigera-ui-user or tigera-network-admin, where there is one; else our own of
the same purpose, kubectl-mcm-ui-user or kubectl-mcm-network-admin, which is written beside the binding.

Both sides must know the user by the same name. For less than every log, use "kubectl mcm grant".`,
  examples: `
# alice may see prod-eu, and its logs
kubectl mcm bind-user alice --managed-context prod-eu

# The network team changes policies in all edge clusters
kubectl mcm bind-user --group net -l tier=edge --role network-admin

# Look at it first
kubectl mcm bind-user alice --managed-context prod-eu --dry-run=server`,
  flags: {
    ...SUBJECT_FLAGS,
    ...WHICH_FLAGS,
    role: {
      type: 'string',
      value: 'ROLE',
      default: 'ui-user',
      choices: USER_ROLES,
      description: 'What they may do in the managed clusters.',
    },
    'operator-namespace': {
      type: 'string',
      value: 'NAME',
      default: OPERATOR_NAMESPACE,
      description: 'Namespace of tigera-operator in the managed clusters.',
    },
    ...DRY_RUN_FLAG,
  },
  run: async ({ args, flags, global, io }) => {
    const subject = subjectFrom(args[0], flags);
    const { signal } = io;
    const management = connect(global, io);
    const connectTo = (context: string) => connect(global, io, context);
    const contexts = await managedContexts(management, flags, signal);
    const managed = await Promise.all(
      contexts.map((context) => boundCluster(management, connectTo(context), flags['operator-namespace'], signal)),
    );
    const logs = managed
      .map(({ cluster }) => cluster)
      .flatMap((cluster) => LOG_TYPES.map((type) => ({ cluster, type })));
    const here = { client: management, objects: [...logGrant(subject, logs), bindingTo(VIEWER, subject)], where: '' };
    const there = managed.map(({ client }) => objectsThere(client, flags.role as UserRole, subject, signal));
    await writeObjects([here, ...(await Promise.all(there))], flags['dry-run'], io);
    return 0;
  },
});

/** The ClusterRole of `install management` by which somebody sees the clusters, and no log. */
const VIEWER = 'kubectl-mcm-viewer';

async function managedContexts(
  management: KubeClient,
  flags: FlagValues<typeof WHICH_FLAGS>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { 'managed-context': named, selector } = flags;
  if (named.length > 0 && selector === undefined) return [...new Set(named)];
  if (named.length === 0 && selector !== undefined) {
    return await chosenClusters(management, { cluster: [], selector, 'all-clusters': false }, signal);
  }
  throw new UserError('error: exactly one of --managed-context and --selector is required');
}

/** The managed cluster that a context is of, by the keys in it. @throws UserError where it is connected to nothing here. */
async function boundCluster(
  management: KubeClient,
  client: KubeClient,
  operatorNamespace: string,
  signal: AbortSignal,
): Promise<{ readonly client: KubeClient; readonly cluster: string }> {
  const cluster = await connectedAs(client, operatorNamespace, signal);
  if (cluster === undefined || cluster === '') {
    throw new UserError(`error: "${client.context.name}" has no keys of a managed cluster`, {
      hint: `run: kubectl mcm add-cluster NAME --managed-context ${client.context.name}`,
    });
  }
  await registeredCluster(management, cluster, signal);
  return { client, cluster };
}

async function objectsThere(
  client: KubeClient,
  role: UserRole,
  subject: Subject,
  signal: AbortSignal,
): Promise<ClusterObjects> {
  const enterprise = enterpriseRole(role);
  const where = ` (${client.context.name})`;
  if ((await client.find(enterprise, { signal })) !== undefined) {
    return { client, objects: [bindingTo(enterprise.metadata.name, subject)], where };
  }
  const own = ownRole(role);
  return { client, objects: [own, bindingTo(own.metadata.name, subject)], where };
}
