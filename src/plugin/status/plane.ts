import { MANAGED_CLUSTERS_PATH, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { MANAGERS_PATH } from '../../install/management.ts';
import { ConnectionError, type KubeClient } from '../../kube/client.ts';
import type { KubeList } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import type { ManagerItem } from '../../manager/manager-status.ts';
import { NO_MANAGEMENT_CLUSTER } from '../no-management.ts';

/** A part of the management plane as it was read, or why it could not be. */
export type Part<T> = { readonly items: readonly T[] } | { readonly failure: UserError };

/** What there is to read of the management plane. */
export interface Plane {
  readonly managers: Part<ManagerItem>;
  readonly clusters: Part<ManagedCluster>;
}

/** @throws UserError where the API server itself cannot be asked, or nothing of ours is installed. */
export async function readPlane(client: KubeClient, signal: AbortSignal): Promise<Plane> {
  const [managers, clusters] = await Promise.all([
    readPart<ManagerItem>(client, MANAGERS_PATH, signal),
    readPart<ManagedCluster>(client, MANAGED_CLUSTERS_PATH, signal),
  ]);
  if ('failure' in managers && 'failure' in clusters && isStatus(clusters.failure, 404)) {
    throw clusters.failure.withHint(NO_MANAGEMENT_CLUSTER);
  }
  return { managers, clusters };
}

async function readPart<T>(client: KubeClient, path: string, signal: AbortSignal): Promise<Part<T>> {
  try {
    return { items: (await client.get<KubeList<T>>(path, { signal })).items };
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof ConnectionError || isStatus(error, 401)) throw error;
    return { failure: error };
  }
}
