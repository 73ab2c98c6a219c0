import { MANAGED_CLUSTERS_PATH, type ManagedCluster, NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import { type KubeList, type KubeObject, objectName } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';
import { MANAGER } from './management.ts';
import { everyManagementObject } from './management-objects.ts';
import { isOurs } from './object.ts';

/** What a later installation goes on with: keys, settings, clusters. */
const DATA: ReadonlySet<string> = new Set(['Namespace', 'CustomResourceDefinition', 'ConfigMap', 'Secret']);

/**
 * What `install management` has made and is there, in the order in which it goes: first the APIServices, since one
 * without its backend keeps every namespace of the cluster from being deleted; last what the rest is in.
 */
export async function installedObjects(
  client: KubeClient,
  keepData: boolean,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const wanted = everyManagementObject()
    .reverse()
    .filter(({ kind }) => !keepData || !DATA.has(kind));
  const first = wanted.filter(({ kind }) => kind === 'APIService');
  const last = wanted.filter(({ kind }) => kind === 'Namespace');
  const between = wanted.filter((object) => !first.includes(object) && !last.includes(object));
  const claims = keepData ? [] : await claimsOfManager(client, signal);
  const inOrder = [...first, ...between, ...claims, ...last];
  const found = await Promise.all(inOrder.map((object) => client.find(object, { signal })));
  return found.filter((object) => object !== undefined).filter(isOurs);
}

/** The StatefulSet's own controller has made them, with the labels of its pods. */
async function claimsOfManager(client: KubeClient, signal: AbortSignal): Promise<readonly KubeObject[]> {
  const path = `/api/v1/namespaces/${NAMESPACE}/persistentvolumeclaims`;
  const { items } = await client.get<KubeList<KubeObject>>(path, { signal });
  return items
    .filter((claim) => isOurs(claim) && claim.metadata.name.includes(`-${MANAGER}-`))
    .map((claim) => ({ ...claim, apiVersion: 'v1', kind: 'PersistentVolumeClaim' }));
}

/** The clusters that are registered; none where there is no such resource. */
export async function registeredClusters(client: KubeClient, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const { items } = await client.get<KubeList<ManagedCluster>>(MANAGED_CLUSTERS_PATH, { signal });
    return items.map(({ metadata }) => metadata.name);
  } catch (error) {
    if (isStatus(error, 404)) return [];
    throw error;
  }
}

/** Secrets that others have put into our namespace, and that go with it. */
export async function othersSecrets(client: KubeClient, signal: AbortSignal): Promise<readonly string[]> {
  const { items } = await client.get<KubeList<KubeObject>>(`/api/v1/namespaces/${NAMESPACE}/secrets`, { signal });
  return items
    .filter((secret) => !isOurs(secret))
    .map((secret) => objectName({ ...secret, apiVersion: 'v1', kind: 'Secret' }));
}
