import { MANAGED_CLUSTER_GROUP, NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeObject } from '../kube/objects.ts';
import { RBAC_API, RBAC_GROUP } from '../rbac/rbac-objects.ts';
import {
  FLEET_API_GROUP,
  KEEPER_LEASE,
  LOGS_CONFIG,
  MANAGER,
  MANAGER_API_GROUP,
  MANAGER_TLS_SECRET,
} from './management.ts';
import { clusterWide, namespaced, object } from './object.ts';

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
export const FLEET_PERMISSIONS = [
  object(RBAC_API, 'ClusterRole', clusterWide(FLEET_ROLE), {
    rules: [{ apiGroups: [FLEET_API_GROUP], resources: ['logs'], verbs: ['get'] }],
  }),
  object(RBAC_API, 'ClusterRoleBinding', clusterWide(FLEET_ROLE), {
    subjects: [{ ...EVERYBODY, apiGroup: RBAC_GROUP }],
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: FLEET_ROLE },
  }),
];

/** What the manager may do: these rights and no others. */
export function managerRights(): KubeObject[] {
  const subjects = [{ kind: 'ServiceAccount', name: MANAGER, namespace: NAMESPACE }];
  return [
    object(RBAC_API, 'ClusterRole', clusterWide(MANAGER_ROLE), {
      rules: [
        { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters'], verbs: ['list', 'watch'] },
        { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters/status'], verbs: ['patch'] },
        { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
      ],
    }),
    object(RBAC_API, 'ClusterRoleBinding', clusterWide(MANAGER_ROLE), {
      subjects,
      roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: MANAGER_ROLE },
    }),
    object(RBAC_API, 'Role', namespaced(MANAGER), {
      rules: [
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
    }),
    object(RBAC_API, 'RoleBinding', namespaced(MANAGER), {
      subjects,
      roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: MANAGER },
    }),
    // Kubernetes' own Role: how kube-apiserver introduces its users to aggregated API servers.
    object(
      RBAC_API,
      'RoleBinding',
      { ...clusterWide(MANAGER_ROLE), namespace: 'kube-system' },
      {
        subjects,
        roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: 'extension-apiserver-authentication-reader' },
      },
    ),
  ];
}
