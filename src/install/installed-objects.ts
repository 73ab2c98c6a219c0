import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import { collectionPath, type KubeList, type KubeObject } from '../kube/objects.ts';
import { RBAC_API } from '../rbac/rbac-objects.ts';
import { CLUSTER_LABEL } from './managed-objects.ts';

/** What `install managed` makes besides the connection itself, in the order to delete it: who uses rights goes first. */
const KINDS = [
  { apiVersion: 'apps/v1', kind: 'DaemonSet', namespace: NAMESPACE },
  { apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE },
  { apiVersion: 'batch/v1', kind: 'Job', namespace: NAMESPACE },
  { apiVersion: RBAC_API, kind: 'ClusterRoleBinding' },
  { apiVersion: RBAC_API, kind: 'ClusterRole' },
  // In the namespaces of ServiceAccounts as whom the management cluster may act.
  { apiVersion: RBAC_API, kind: 'RoleBinding' },
  { apiVersion: RBAC_API, kind: 'Role' },
  { apiVersion: 'v1', kind: 'ServiceAccount', namespace: NAMESPACE },
  { apiVersion: 'v1', kind: 'ConfigMap', namespace: NAMESPACE },
] as const;

/** What is there of it, by its label. */
export async function findInstalled(
  client: KubeClient,
  cluster: string,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const found: KubeObject[] = [];
  for (const { apiVersion, kind, ...where } of KINDS) {
    const path = collectionPath({ apiVersion, kind, metadata: { name: '', ...where } });
    const query = { labelSelector: `${CLUSTER_LABEL}=${cluster}` };
    const { items } = await client.get<KubeList<KubeObject>>(path, { query, signal });
    found.push(...items.map((item) => ({ ...item, apiVersion, kind })));
  }
  return found;
}
