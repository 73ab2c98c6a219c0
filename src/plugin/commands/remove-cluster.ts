import { type ManagedCluster, managedCluster, NAMESPACE, OPERATOR_NAMESPACE } from '../../clusters/managed-cluster.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName } from '../../kube/objects.ts';
import { defineCommand, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { foundConnection, requireConnectedAs } from '../connection/managed-side.ts';
import { registeredCluster } from '../connection/registered-cluster.ts';
import { DRY_RUN_FLAG, DRY_RUN_SUFFIX } from '../dry-run.ts';

/** `remove-cluster NAME`: disconnects a managed cluster for good, on both sides. */
export const command = defineCommand({
  args: ['NAME'],
  completes: ['managed-clusters'],
  description: `
Disconnect a managed cluster for good. Its ManagedCluster is deleted, and its tunnel and its uploads end within a second.
With --managed-context the managed cluster's end goes first: its ManagementClusterConnection (tigera-operator then takes
Guardian away), the Secrets with its keys, and what "kubectl mcm install managed" made there.

What stays is named: its logs, until their retention is over, the rights that were given for it, and in the managed
cluster the namespace ${NAMESPACE}. Run again after a failure, it goes on.`,
  examples: `
# Both sides
kubectl mcm remove-cluster prod-eu --managed-context prod-eu

# Only here, for example because the managed cluster is gone
kubectl mcm remove-cluster prod-eu`,
  flags: {
    'managed-context': {
      type: 'string',
      value: 'NAME',
      completes: 'contexts',
      description: 'Also delete what connects the cluster of this kubeconfig context.',
    },
    ...DRY_RUN_FLAG,
  },
  run: async ({ args, flags, global, io }) => {
    const [name = ''] = args;
    const context = flags['managed-context'];
    const management = connect(global, io);
    const managed = context === undefined ? undefined : connect(global, io, context);
    const cluster = await findCluster(management, name, managed !== undefined, io);
    const objects = managed === undefined ? [] : await connectionOf(managed, name, cluster, io.signal);
    const dryRun = flags['dry-run'];
    const remove = async (client: KubeClient, object: KubeObject, where: string) => {
      const options = { dryRun: dryRun === 'server', signal: io.signal };
      if (dryRun !== 'client') await client.deleteIfThere(object, options);
      io.out.write(`${objectName(object)} deleted${where}${DRY_RUN_SUFFIX[dryRun]}\n`);
    };
    // What is still connected would be refused again and again if its registration went first.
    if (managed !== undefined) for (const object of objects) await remove(managed, object, ` (${context})`);
    if (cluster !== undefined) await remove(management, cluster, '');
    if (cluster === undefined && objects.length === 0) io.err.write('No resources found\n');
    else io.err.write(whatStays(name, context));
    return 0;
  },
});

/** undefined where it is gone already, and the other side is what is left to do. */
async function findCluster(
  management: KubeClient,
  name: string,
  mayBeGone: boolean,
  { signal }: Io,
): Promise<ManagedCluster | undefined> {
  if (!mayBeGone) return await registeredCluster(management, name, signal);
  return await management.find(managedCluster(name, {}), { signal });
}

async function connectionOf(
  managed: KubeClient,
  name: string,
  cluster: ManagedCluster | undefined,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const namespace = cluster?.spec.operatorNamespace ?? OPERATOR_NAMESPACE;
  await requireConnectedAs(managed, name, namespace, signal);
  return await foundConnection(managed, name, namespace, signal);
}

function whatStays(name: string, context: string | undefined): string {
  const there =
    context === undefined
      ? `what its manifest made in the managed cluster (kubectl mcm remove-cluster ${name} --managed-context CONTEXT)`
      : `the namespace ${NAMESPACE} in ${context}`;
  return `What stays: its logs until their retention is over (kubectl mcm retention), the rights to read them, and ${there}\n`;
}
