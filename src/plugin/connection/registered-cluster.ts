import { type ManagedCluster, managedCluster, type RetiringCertificate } from '../../clusters/managed-cluster.ts';
import type { KubeClient } from '../../kube/client.ts';
import { objectPath } from '../../kube/objects.ts';
import { writeAsRead } from '../../kube/write-as-read.ts';

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
  const write = async (resourceVersion: string | undefined) =>
    await management.patch(cluster, { metadata: { resourceVersion }, spec }, options);
  await writeAsRead(cluster, write, {
    read: () => registeredCluster(management, name, options.signal),
    // A status is no change of the spec.
    isSame: ({ metadata }) => metadata.generation === generation,
  });
}
