import { UserError } from '../errors.ts';
import type { KubeObject } from '../kube/objects.ts';
import { boundRole, type Subject } from '../rbac/rbac-objects.ts';

const NAME = 'kubectl-mcm-impersonation';

/** By their names, as which the management cluster may act in a managed one. */
export interface Impersonated {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  /** `NAMESPACE/NAME` */
  readonly serviceAccounts: readonly string[];
}

/** Kubernetes' own users and groups: whoever may be `system:masters` is everything. */
const RESERVED = 'system:';

/** @throws UserError for a name that nobody may be given this way. */
export function requireImpersonable({ users, groups, serviceAccounts }: Impersonated): void {
  const reserved = [...users, ...groups].find((name) => name.startsWith(RESERVED));
  if (reserved !== undefined) {
    throw new UserError(
      `error: "${reserved}" cannot be impersonated: the names that begin with "${RESERVED}" are Kubernetes' own`,
      {
        hint: 'ServiceAccounts are given by --impersonate-serviceaccount NAMESPACE/NAME',
      },
    );
  }
  const wrong = serviceAccounts.find((name) => !/^[a-z0-9][-a-z0-9]*\/[a-z0-9][-.a-z0-9]*$/.test(name));
  if (wrong !== undefined) {
    throw new UserError(
      `error: invalid argument "${wrong}" for "--impersonate-serviceaccount" flag: not of the form NAMESPACE/NAME`,
    );
  }
}

/**
 * Lets a ServiceAccount act as these and as nobody else. Users and groups are named one by one: the right to impersonate
 * any group is the right to be `system:masters`. Extra fields and uids are not among it. Of a ServiceAccount the right is
 * given in its namespace: in a ClusterRole it would be for those of its name in every namespace.
 */
export function impersonationObjects(
  { users, groups, serviceAccounts }: Impersonated,
  subject: Subject,
  labels: Readonly<Record<string, string>>,
): KubeObject[] {
  const rules = [
    ...(users.length === 0 ? [] : [rule('users', users)]),
    ...(groups.length === 0 ? [] : [rule('groups', groups)]),
  ];
  const namespaces = Map.groupBy(
    serviceAccounts.map((name) => name.split('/') as [string, string]),
    ([namespace]) => namespace,
  );
  return [
    ...(rules.length === 0 ? [] : boundRole({ name: NAME, labels }, rules, [subject])),
    ...[...namespaces].flatMap(([namespace, accounts]) =>
      boundRole(
        { name: NAME, namespace, labels },
        [
          rule(
            'serviceaccounts',
            accounts.map(([, name]) => name),
          ),
        ],
        [subject],
      ),
    ),
  ];
}

function rule(resource: string, names: readonly string[]) {
  return { apiGroups: [''], resources: [resource], resourceNames: [...new Set(names)], verbs: ['impersonate'] };
}
