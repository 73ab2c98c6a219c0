import {
  digestOf,
  type PolicyRule,
  pathWord,
  RBAC_API,
  type Role,
  type RoleBinding,
  roleBinding,
  type Subject,
} from './rbac-objects.ts';

/** What people may do in a managed cluster: see, or change policies too. Calico Enterprise has roles of these names. */
export const USER_ROLES = ['ui-user', 'network-admin'] as const;
export type UserRole = (typeof USER_ROLES)[number];

const LOOK = ['get', 'list', 'watch'];

/** What flows and policies speak of, read-only: no Secrets, no ConfigMaps. */
const SEE: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['namespaces', 'nodes', 'pods', 'serviceaccounts', 'services'], verbs: LOOK },
  { apiGroups: ['apps'], resources: ['daemonsets', 'deployments', 'replicasets', 'statefulsets'], verbs: LOOK },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: LOOK },
  { apiGroups: ['projectcalico.org'], resources: ['*'], verbs: LOOK },
];

const RULES: Readonly<Record<UserRole, readonly PolicyRule[]>> = {
  'ui-user': SEE,
  'network-admin': [
    ...SEE,
    { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['*'] },
    { apiGroups: ['projectcalico.org'], resources: ['*'], verbs: ['*'] },
  ],
};

/** Calico Enterprise's own role, for clusters that have it. */
export function enterpriseRole(role: UserRole): Role {
  return { apiVersion: RBAC_API, kind: 'ClusterRole', metadata: { name: `tigera-${role}` } };
}

/** Ours, for clusters that have no such role. */
export function ownRole(role: UserRole): Role {
  return { apiVersion: RBAC_API, kind: 'ClusterRole', metadata: { name: `kubectl-mcm-${role}` }, rules: RULES[role] };
}

/** Binds a subject to a ClusterRole, under a name that is the same for the same two. */
export function bindingTo(role: string, subject: Subject): RoleBinding {
  const name = `${role}-${pathWord(subject)}-${digestOf(subject)}`;
  return roleBinding({ name }, { kind: 'ClusterRole', name: role }, [subject]);
}
