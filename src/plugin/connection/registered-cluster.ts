import { MANAGED_CLUSTER_API, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import type { KubeClient } from '../../kube/client.ts';
import { objectPath } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import type { FlagSpec } from '../command.ts';

export const DRY_RUN_FLAG = {
  'dry-run': {
    type: 'string',
    default: 'none',
    choices: ['none', 'client', 'server'],
    description: 'Change nothing: only show what would be (client), or also ask the API server about it (server).',
  },
} as const satisfies Record<string, FlagSpec>;

/** What stands behind a line of which nothing was done. */
export const DRY_RUN_SUFFIX: Readonly<Record<string, string>> = {
  none: '',
  client: ' (dry run)',
  server: ' (server dry run)',
};

/** @throws StatusError 404 where there is none of that name. */
export async function registeredCluster(
  management: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<ManagedCluster> {
  const path = objectPath({ apiVersion: MANAGED_CLUSTER_API, kind: 'ManagedCluster', metadata: { name } });
  return await management.get<ManagedCluster>(path, { signal });
}

/** Changes the spec of the cluster as it was read. @throws StatusError 409 when somebody else has changed it since. */
export async function changeSpec(
  management: KubeClient,
  cluster: ManagedCluster,
  spec: Readonly<Record<keyof ManagedCluster['spec'] & ('certificate' | 'retiring'), unknown>>,
  options: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { resourceVersion } = cluster.metadata;
  try {
    await management.patch(cluster, { metadata: { resourceVersion }, spec }, options);
  } catch (error) {
    if (!isStatus(error, 409)) throw error;
    throw error.withHint('somebody has changed it in this moment: try again');
  }
}
