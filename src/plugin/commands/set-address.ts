import { MANAGEMENT_CLUSTER } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { RESTORE_SECONDS } from '../../install/address-config.ts';
import { readHostPort } from '../../install/host-port.ts';
import type { KubeClient } from '../../kube/client.ts';
import { defineCommand, type FlagSpecs, type FlagValues } from '../command.ts';
import { connect } from '../connect.ts';
import { DRY_RUN_FLAG } from '../dry-run.ts';
import { durationOf } from '../duration.ts';
import { parallelOf } from '../in-parallel.ts';
import { hostPortText } from '../install/management-flags.ts';
import { CLUSTER_FLAGS, chosenClusters } from '../logs/chosen-clusters.ts';
import { setAddresses } from '../set-address/set-addresses.ts';

/** Milliseconds beyond the way back that a cluster has to get along it. */
const MORE_TIME = 300_000;

const FLAGS = {
  cluster: {
    ...CLUSTER_FLAGS.cluster,
    completes: 'managed-clusters',
    description: "A managed cluster, several (a,b) or those of a pattern ('prod-*'). Can be repeated. Default: all.",
  },
  selector: CLUSTER_FLAGS.selector,
  canary: {
    type: 'string',
    value: 'NAME',
    completes: 'managed-clusters',
    description: 'The cluster that is changed before all others. Default: the first that is connected.',
  },
  'revert-after': {
    type: 'string',
    value: 'DURATION',
    default: '5m',
    description:
      'After how long a cluster goes back to the old address by itself if it does not connect by the new one.',
  },
  'no-revert': {
    type: 'boolean',
    description: 'Change it also where no cluster could go back by itself: a wrong address loses it.',
  },
  timeout: {
    type: 'string',
    value: 'DURATION',
    description: 'How long to wait for one cluster. Default: five minutes more than --revert-after.',
  },
  parallel: { type: 'string', value: 'N', default: '20', description: 'So many clusters at once, after the canary.' },
  ...DRY_RUN_FLAG,
} as const satisfies FlagSpecs;

/** `set-address HOST:PORT`: moves the fleet to another address of its manager, through the tunnels that are open. */
export const command = defineCommand({
  args: ['HOST:PORT'],
  description: `
Change the address by which managed clusters reach their manager, through the tunnels that are open now; forwarders follow.
The manager must be reached by both addresses meanwhile.

One cluster, the canary, is changed first, and no other before it is connected by the new address. Before anything is
changed in a cluster, a Job that "kubectl mcm install managed" has put there runs and says that it will restore the old
address; it does so after --revert-after, unless the change is confirmed through a tunnel that was dialled by the new
one. So whatever becomes of this command, a wrong address lasts for that long. Where the Job cannot run, the cluster is
left as it is, unless --no-revert is given.

Once the canary is connected, manifests that are made from then on say the new address; not with --cluster or --selector.
Clusters that are connected by it already stay untouched: run again, it goes on with what is left.

It takes the verbs "get" and "update" on "managedclusters/address" in the API group proxy.kubectl-mcm.io, and without
--cluster and --selector those to change the ConfigMap kubectl-mcm/management.`,
  examples: `
# All clusters, one of them first
kubectl mcm set-address mgmt2.example.com:30449

# Begin with one that you can get at otherwise; ask first what would be done
kubectl mcm set-address mgmt2.example.com:30449 --canary lab --dry-run=server

# Only those of the edge, which reach the manager by another load balancer
kubectl mcm set-address edge.example.com:9449 -l tier=edge`,
  flags: FLAGS,
  run: async ({ args, flags, global, io }) => {
    const address = addressOf(args[0] ?? '');
    const { revertAfterSeconds, timeout } = timesOf(flags);
    const parallel = parallelOf(flags.parallel);
    const management = connect(global, io);
    const all = flags.cluster.length === 0 && flags.selector === undefined;
    return await setAddresses({
      ...{ management, address, revertAfterSeconds, timeout, parallel, all, io },
      clusters: await managedClusters(management, flags, io.signal),
      canary: flags.canary,
      dryRun: flags['dry-run'] as 'none' | 'client' | 'server',
    });
  },
});

async function managedClusters(
  management: KubeClient,
  { cluster, selector }: Pick<FlagValues<typeof FLAGS>, 'cluster' | 'selector'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (cluster.includes(MANAGEMENT_CLUSTER)) {
    throw new UserError(`error: "${MANAGEMENT_CLUSTER}" is the management cluster, which has no tunnel to itself`);
  }
  const all = cluster.length === 0 && selector === undefined;
  const chosen = await chosenClusters(management, { cluster, selector, 'all-clusters': all }, signal);
  const managed = chosen.filter((name) => name !== MANAGEMENT_CLUSTER);
  if (managed.length > 0) return managed;
  throw new UserError('error: there are no managed clusters', {
    hint: 'the address in manifests alone is changed by: kubectl mcm upgrade --address HOST:PORT',
  });
}

function addressOf(text: string): string {
  const parsed = readHostPort(text);
  if (parsed !== undefined) return hostPortText(parsed);
  throw new UserError(`error: invalid argument "${text}": not of the form HOST:PORT`, {
    hint: 'for example mgmt.example.com:30449, 10.0.0.5:9449 or [2001:db8::1]:9449',
  });
}

function timesOf(flags: FlagValues<typeof FLAGS>) {
  const revert = durationOf('revert-after', flags['revert-after']);
  const { least, most } = RESTORE_SECONDS;
  if (revert < least * 1000 || revert > most * 1000) {
    const text = flags['revert-after'];
    throw new UserError(
      `error: invalid argument "${text}" for "--revert-after" flag: must be from ${least}s to ${most / 60}m`,
    );
  }
  return {
    revertAfterSeconds: flags['no-revert'] ? undefined : Math.ceil(revert / 1000),
    timeout: flags.timeout === undefined ? revert + MORE_TIME : durationOf('timeout', flags.timeout),
  };
}
