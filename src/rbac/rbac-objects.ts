import { createHash } from 'node:crypto';
import type { KubeObject, ObjectMeta } from '../kube/objects.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';
export const RBAC_API = `${RBAC_GROUP}/v1`;

/** A rule of RBAC, as far as it is about resources. */
export interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  /** None are all. */
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Role extends KubeObject {
  /** null where they come from other roles and none is there yet. */
  readonly rules?: readonly PolicyRule[] | null;
}

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly apiGroup?: string;
}

export interface RoleBinding extends KubeObject {
  readonly roleRef: { readonly apiGroup: string; readonly kind: string; readonly name: string };
  /** Missing where they were all taken away. */
  readonly subjects?: readonly Subject[];
}

/** What gives `subjects` a role: in the namespace that the metadata names, everywhere where it names none. */
export function roleBinding(
  metadata: ObjectMeta,
  { kind, name }: { readonly kind: 'ClusterRole' | 'Role'; readonly name: string },
  subjects: readonly Subject[],
): RoleBinding {
  return {
    apiVersion: RBAC_API,
    kind: metadata.namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
    metadata,
    subjects,
    roleRef: { apiGroup: RBAC_GROUP, kind, name },
  };
}

/** A role with these rules, and the binding of the same name that gives it to `subjects`. */
export function boundRole(
  metadata: ObjectMeta,
  rules: readonly PolicyRule[],
  subjects: readonly Subject[],
): readonly [Role, RoleBinding] {
  const kind = metadata.namespace === undefined ? 'ClusterRole' : 'Role';
  const role = { apiVersion: RBAC_API, kind, metadata, rules };
  return [role, roleBinding(metadata, { kind, name: metadata.name }, subjects)];
}

/** The subject that a user name stands for: Kubernetes has names for ServiceAccounts that RBAC writes otherwise. */
export function subjectOf(user: string): Subject {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? [];
  if (namespace !== undefined && name !== undefined) return { kind: 'ServiceAccount', name, namespace };
  return { kind: 'User', name: user, apiGroup: RBAC_GROUP };
}

/** The user name that a subject stands for; a group's name. */
export function nameOf({ kind, name, namespace }: Subject): string {
  return kind === 'ServiceAccount' ? `system:serviceaccount:${namespace}:${name}` : name;
}

/** A subject in the name of an object that is made for it. */
export function pathWord(subject: Subject): string {
  const name = nameOf(subject).replaceAll(/[/%]/g, '-');
  return subject.kind === 'Group' ? `group-${name}` : name;
}

/** Tells objects apart whose names are otherwise the same: eight hex digits, the same for the same content. */
export function digestOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 8);
}

/** Whether a rule lets do `verb` with the resource of that name; RBAC compares all of these literally, but for `*`. */
export function allows(
  { apiGroups = [], resources = [], resourceNames = [], verbs }: PolicyRule,
  asked: { readonly group: string; readonly resource: string; readonly name: string; readonly verb: string },
): boolean {
  return (
    has(verbs, asked.verb) &&
    has(apiGroups, asked.group) &&
    has(resources, asked.resource) &&
    hasName(resourceNames, asked.name)
  );
}

/** Whether a list of verbs, groups or resources covers a word. */
export function has(list: readonly string[], word: string): boolean {
  return list.includes('*') || list.includes(word);
}

/** The same for the names of resources, among which `*` is a name like any other, and none are all. */
export function hasName(list: readonly string[], name: string): boolean {
  return list.length === 0 || list.includes(name);
}
