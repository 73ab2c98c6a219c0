import type { KubeObject } from '../kube/objects.ts';
import { LOG_ACCESS_GROUP } from './log-access.ts';
import type { LogRight } from './log-rights.ts';
import {
  boundRole,
  digestOf,
  type PolicyRule,
  pathWord,
  type Role,
  type RoleBinding,
  type Subject,
  subjectOf,
} from './rbac-objects.ts';

/** Logs of a type of a cluster; `*` for every cluster that there is or will be. */
export type GrantedLogs = Pick<LogRight, 'cluster' | 'type'>;

/** The ClusterRole and its binding that would let `user` read what these rights say they may not; none if there is none. */
export function neededGrant(user: string, rights: readonly LogRight[]): readonly KubeObject[] {
  const missing = rights.filter(({ allowed }) => !allowed);
  return missing.length === 0 ? [] : logGrant(subjectOf(user), missing);
}

/** The ClusterRole, and its binding, by which a subject may read these logs. */
export function logGrant(subject: Subject, logs: readonly GrantedLogs[]): readonly [Role, RoleBinding] {
  const rules = rulesOf(logs);
  return boundRole({ name: grantName(subject, rules) }, rules, [subject]);
}

/** One rule for the clusters of which the same types are missing. */
function rulesOf(logs: readonly GrantedLogs[]): PolicyRule[] {
  const types = Map.groupBy(logs, ({ cluster }) => cluster);
  const clusters = Map.groupBy([...types], ([, rights]) => rights.map(({ type }) => type.name).join());
  return [...clusters.values()].map((same) => ({
    apiGroups: [LOG_ACCESS_GROUP],
    resources: same.map(([cluster]) => cluster),
    resourceNames: (same[0]?.[1] ?? []).map(({ type }) => type.name),
    verbs: ['get'],
  }));
}

/**
 * The same for the same subject and rules and for no others, so that applying it takes away nothing that was granted
 * before. Names of RBAC's objects may hold anything that fits into a path.
 */
function grantName(subject: Subject, rules: readonly PolicyRule[]): string {
  return `logs-${pathWord(subject)}-${digestOf({ subject, rules })}`;
}
