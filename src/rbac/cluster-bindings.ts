import type { KubeClient } from '../kube/client.ts';
import type { KubeList } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';
import type { LogType } from '../logs/types/log-type.ts';
import type { Evidence } from './evidence.ts';
import { LOG_ACCESS_GROUP } from './log-access.ts';
import { allows, type PolicyRule, RBAC_API, type Role, type RoleBinding, type Subject } from './rbac-objects.ts';

/** Somebody who may do something, and by what. */
export interface BoundSubject extends Evidence {
  /** Whom the binding names: a user, a ServiceAccount, or a group, whose members RBAC does not know. */
  readonly bound: Subject;
}

/** The roles and bindings that decide about clusters, which are in no namespace. */
export class ClusterBindings {
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #bindings: readonly RoleBinding[];

  constructor(roles: readonly Role[], bindings: readonly RoleBinding[]) {
    this.#roles = new Map(roles.map((role) => [role.metadata.name, role]));
    this.#bindings = bindings;
  }

  /** @throws StatusError 403 where whoever `client` is may not see them. */
  static async read(client: KubeClient, signal: AbortSignal): Promise<ClusterBindings> {
    try {
      const [roles, bindings] = await Promise.all([
        client.get<KubeList<Role>>(`/apis/${RBAC_API}/clusterroles`, { signal }),
        client.get<KubeList<RoleBinding>>(`/apis/${RBAC_API}/clusterrolebindings`, { signal }),
      ]);
      return new ClusterBindings(roles.items, bindings.items);
    } catch (error) {
      if (!isStatus(error, 403)) throw error;
      throw error.withHint('It takes the verb "list" on clusterroles and clusterrolebindings.');
    }
  }

  /** Who may read the logs of a type of a cluster, under any of the names that cover the type. */
  readersOf(cluster: string, type: LogType): readonly BoundSubject[] {
    return this.holdersOf((rule) =>
      type.grants.some((name) => allows(rule, { group: LOG_ACCESS_GROUP, resource: cluster, name, verb: 'get' })),
    );
  }

  /** Who has a rule that is `enough`, with the first such rule of each role. */
  holdersOf(enough: (rule: PolicyRule) => boolean): readonly BoundSubject[] {
    return this.#bindings.flatMap(({ metadata, roleRef, subjects = [] }) => {
      const role = roleRef.kind === 'ClusterRole' ? this.#roles.get(roleRef.name) : undefined;
      const rule = role?.rules?.find(enough);
      if (rule === undefined) return [];
      return subjects.map((bound) => ({
        binding: { kind: 'ClusterRoleBinding', name: metadata.name },
        role: { kind: roleRef.kind, name: roleRef.name },
        subject: { kind: bound.kind, name: asRbacSays(bound) },
        bound,
        rule,
      }));
    });
  }
}

/** As RBAC itself names a subject when it says why something is allowed. */
function asRbacSays({ kind, name, namespace }: Subject): string {
  return kind === 'ServiceAccount' ? `${name}/${namespace}` : name;
}
