import { createHash } from 'node:crypto';
import type { KubeObject } from '../kube/objects.ts';
import { LOG_ACCESS_GROUP } from './log-access.ts';
import type { LogRight } from './log-rights.ts';
import { type PolicyRule, RBAC_API, RBAC_GROUP, type Role, type RoleBinding, subjectOf } from './rbac-objects.ts';

/** The ClusterRole and its binding that would let `user` read what these rights say they may not; none if there is none. */
export function neededGrant(user: string, rights: readonly LogRight[]): readonly KubeObject[] {
  const missing = rights.filter(({ allowed }) => !allowed);
  if (missing.length === 0) return [];
  const rules = rulesOf(missing);
  const name = grantName(user, rules);
  const role: Role = { apiVersion: RBAC_API, kind: 'ClusterRole', metadata: { name }, rules };
  const binding: RoleBinding = {
    ...{ apiVersion: RBAC_API, kind: 'ClusterRoleBinding', metadata: { name } },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name },
    subjects: [subjectOf(user)],
  };
  return [role, binding];
}

/** One rule for the clusters of which the same types are missing. */
function rulesOf(missing: readonly LogRight[]): PolicyRule[] {
  const types = Map.groupBy(missing, ({ cluster }) => cluster);
  const clusters = Map.groupBy([...types], ([, rights]) => rights.map(({ type }) => type.name).join());
  return [...clusters.values()].map((same) => ({
    apiGroups: [LOG_ACCESS_GROUP],
    resources: same.map(([cluster]) => cluster),
    resourceNames: (same[0]?.[1] ?? []).map(({ type }) => type.name),
    verbs: ['get'],
  }));
}

/**
 * The same for the same rules and no others, so that applying it takes away nothing that was granted before. Names of
 * RBAC's objects may hold anything that fits into a path.
 */
function grantName(user: string, rules: readonly PolicyRule[]): string {
  const digest = createHash('sha256').update(JSON.stringify(rules)).digest('hex').slice(0, 8);
  return `logs-${user.replaceAll(/[/%]/g, '-')}-${digest}`;
}
