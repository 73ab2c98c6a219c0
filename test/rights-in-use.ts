import { readFileSync } from 'node:fs';
import type { Workbench } from '../testbed/testbed.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

interface RoleList {
  readonly items: readonly {
    readonly kind: string;
    readonly metadata: { readonly name: string };
    readonly rules: readonly Rule[];
  }[];
}

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
}

/** One verb for one resource, perhaps of one name: the smallest thing that can be taken away. */
export interface Right {
  /** `clusterrole/NAME` or `role/NAME`. */
  readonly role: string;
  readonly verb: string;
  readonly apiGroup: string;
  readonly resource: string;
  readonly name: string | undefined;
}

/** As kubectl asks for it: `get secrets/manager-tls`. */
export function rightText({ verb, apiGroup, resource, name }: Right): string {
  const [plural, subresource] = resource.split('/');
  const where = [plural, ...(apiGroup === '' ? [] : [apiGroup])].join('.');
  return [
    verb,
    `${where}${subresource === undefined ? '' : `/${subresource}`}`,
    ...(name === undefined ? [] : [name]),
  ].join(' ');
}

/** The rights that roles give, each by itself. */
export async function rightsOf(workbench: Workbench, roles: readonly string[]): Promise<Right[]> {
  const text = await workbench.mustKubectl(['get', ...roles, '-n', 'kubectl-mcm', '-o', 'json']);
  const found = JSON.parse(text) as RoleList | RoleList['items'][number];
  // Where one is asked for, it is no list.
  return ('items' in found ? found.items : [found]).flatMap(({ kind, metadata, rules }) =>
    rules.flatMap(({ apiGroups, resources, resourceNames = [undefined], verbs }) =>
      apiGroups.flatMap((apiGroup) =>
        resources.flatMap((resource) =>
          resourceNames.flatMap((name) =>
            verbs.map((verb) => ({ role: `${kind.toLowerCase()}/${metadata.name}`, verb, apiGroup, resource, name })),
          ),
        ),
      ),
    ),
  );
}

/** Of these rights, those that the API server's audit log does not show in use by a ServiceAccount. */
export function unusedRights(auditLog: string, serviceAccount: string, rights: readonly Right[]): Right[] {
  const username = `system:serviceaccount:${serviceAccount}`;
  const used = readFileSync(auditLog, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter(({ user, responseStatus }) => user.username === username && (responseStatus?.code ?? 0) < 400);
  return rights.filter(
    ({ verb, apiGroup, resource, name }) =>
      !used.some(({ verb: did, objectRef }) => {
        const { apiGroup: group = '', resource: plural, subresource, name: of } = objectRef ?? { resource: '' };
        const what = subresource === undefined ? plural : `${plural}/${subresource}`;
        return (
          did === verb &&
          group === apiGroup &&
          what === resource &&
          (name === undefined || of === undefined || of === name)
        );
      }),
  );
}

/** A role's JSON, to replace it with, in which that one right is missing; each of the others by itself. */
export function withoutRight(text: string, right: Right | undefined): string {
  const { metadata, ...role } = JSON.parse(text) as { metadata: object; rules: readonly Rule[] };
  const rules = role.rules.flatMap(({ verbs, ...rule }) => {
    const kept =
      right !== undefined && rule.resources.includes(right.resource)
        ? verbs.filter((one) => one !== right.verb)
        : verbs;
    return kept.length === 0 ? [] : [{ ...rule, verbs: kept }];
  });
  // What is replaced may have changed since: it is no more than a memory.
  return JSON.stringify({ ...role, rules, metadata: { ...metadata, resourceVersion: undefined } });
}
