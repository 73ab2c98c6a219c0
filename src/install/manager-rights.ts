import { MANAGED_CLUSTER_GROUP, NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeObject } from '../kube/objects.ts';
import { boundRole, RBAC_API, RBAC_GROUP, roleBinding } from '../rbac/rbac-objects.ts';
import {
  FLEET_API_GROUP,
  KEEPER_LEASE,
  LOGS_CONFIG,
  MANAGER,
  MANAGER_API_GROUP,
  MANAGER_TLS_SECRET,
} from './management.ts';
import { clusterWide, namespaced } from './object.ts';

const MANAGER_ROLE = 'kubectl-mcm-manager';

/** For people: to see how the management plane is, and no log. Nobody has it until somebody binds it. */
export const VIEWER_ROLE = {
  apiVersion: RBAC_API,
  kind: 'ClusterRole',
  metadata: clusterWide('kubectl-mcm-viewer'),
  rules: [
    { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [MANAGER_API_GROUP], resources: ['managers', 'days'], verbs: ['list'] },
  ],
};

const FLEET_ROLE = 'kubectl-mcm-fleet-reader';
export const EVERYBODY = { kind: 'Group', name: 'system:authenticated' } as const;

/** Everybody may ask for the logs of many clusters: the manager decides by the rights to each what they get. */
export const FLEET_PERMISSIONS = boundRole(
  clusterWide(FLEET_ROLE),
  [{ apiGroups: [FLEET_API_GROUP], resources: ['logs'], verbs: ['get'] }],
  [{ ...EVERYBODY, apiGroup: RBAC_GROUP }],
);

/** What the manager may do: these rights and no others. */
export function managerRights(): KubeObject[] {
  const subjects = [{ kind: 'ServiceAccount', name: MANAGER, namespace: NAMESPACE }];
  return [
    ...boundRole(
      clusterWide(MANAGER_ROLE),
      [
        { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters'], verbs: ['list', 'watch'] },
        { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters/status'], verbs: ['patch'] },
        { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
      ],
      subjects,
    ),
    ...boundRole(
      namespaced(MANAGER),
      [
        { apiGroups: [''], resources: ['secrets'], resourceNames: [MANAGER_TLS_SECRET], verbs: ['get'] },
        {
          apiGroups: [''],
          resources: ['configmaps'],
          resourceNames: [LOGS_CONFIG],
          verbs: ['get', 'list', 'watch', 'patch'],
        },
        {
          apiGroups: ['coordination.k8s.io'],
          resources: ['leases'],
          resourceNames: [KEEPER_LEASE.metadata.name],
          verbs: ['get', 'patch'],
        },
      ],
      subjects,
    ),
    // Kubernetes' own Role: how kube-apiserver introduces its users to aggregated API servers.
    roleBinding(
      { ...clusterWide(MANAGER_ROLE), namespace: 'kube-system' },
      { kind: 'Role', name: 'extension-apiserver-authentication-reader' },
      subjects,
    ),
  ];
}
