import { type ManagedCluster, managedCluster, type RetiringCertificate } from '../../clusters/managed-cluster.ts';
import type { KubeClient } from '../../kube/client.ts';
import { objectPath } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';

/** @throws StatusError 404 where there is none of that name. */
export async function registeredCluster(
  management: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<ManagedCluster> {
  return await management.get<ManagedCluster>(objectPath(managedCluster(name, {})), { signal });
}

/** Which certificates count; null for none. */
interface Certificates {
  readonly certificate: string | null;
  readonly retiring: readonly RetiringCertificate[] | null;
}

/** Changes the spec of the cluster as it was read. @throws StatusError 409 when somebody else has changed that since. */
export async function changeSpec(
  management: KubeClient,
  cluster: ManagedCluster,
  spec: Certificates,
  options: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { name, generation } = cluster.metadata;
  for (let current = cluster; ; ) {
    const { resourceVersion } = current.metadata;
    try {
      await management.patch(cluster, { metadata: { resourceVersion }, spec }, options);
      return;
    } catch (error) {
      if (!isStatus(error, 409)) throw error;
      current = await registeredCluster(management, name, options.signal);
      // What the manager writes of its status at any time is no change of the spec.
      if (current.metadata.generation === generation) continue;
      throw error.withHint('somebody has changed it in this moment: try again');
    }
  }
}
