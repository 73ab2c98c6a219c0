import type { KubeClient } from '../kube/client.ts';
import { isStatus } from '../kube/status.ts';
import { LOG_ACCESS_GROUP } from './log-access.ts';
import type { LogRight } from './log-rights.ts';
import { allows, type PolicyRule, RBAC_API, type Role } from './rbac-objects.ts';

/** Which binding allows something, and by which rule. */
export interface Evidence {
  readonly binding: { readonly kind: string; readonly name: string };
  readonly role: { readonly kind: string; readonly name: string };
  /** Of the binding: the one that the user is, or a group that they are in. */
  readonly subject: { readonly kind: string; readonly name: string };
  /** Missing where the role cannot be read, or has changed meanwhile. */
  readonly rule?: PolicyRule;
}

/** RBAC's own sentence (k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac). */
const REASON =
  /^RBAC: allowed by (?<bindingKind>\w+) "(?<bindingName>[^"]+)" of (?<roleKind>\w+) "(?<roleName>[^"]+)" to (?<subjectKind>\w+) "(?<subjectName>.+)"$/;

/** Finds the rules behind what RBAC says of itself. Reads each role once, as whoever `client` is. */
export class EvidenceReader {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  readonly #roles = new Map<string, Promise<Role | undefined>>();

  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** undefined where it is not RBAC that allows it (an administrator's group, another authorizer). @throws StatusError */
  async of({ cluster, name, reason = '' }: LogRight): Promise<Evidence | undefined> {
    const said = REASON.exec(reason)?.groups;
    if (said === undefined || name === undefined) return undefined;
    const {
      bindingKind = '',
      bindingName = '',
      roleKind = '',
      roleName = '',
      subjectKind = '',
      subjectName = '',
    } = said;
    const asked = { group: LOG_ACCESS_GROUP, resource: cluster, name, verb: 'get' };
    // What a namespace's roles allow is no matter here: clusters are in none.
    const role = roleKind === 'ClusterRole' ? await this.#role(roleName) : undefined;
    const rule = role?.rules?.find((candidate) => allows(candidate, asked));
    return {
      binding: { kind: bindingKind, name: bindingName },
      role: { kind: roleKind, name: roleName },
      subject: { kind: subjectKind, name: subjectName },
      ...(rule === undefined ? {} : { rule }),
    };
  }

  #role(name: string): Promise<Role | undefined> {
    const known = this.#roles.get(name);
    if (known !== undefined) return known;
    const reading = this.#read(name);
    this.#roles.set(name, reading);
    return reading;
  }

  async #read(name: string): Promise<Role | undefined> {
    try {
      const wanted = { apiVersion: RBAC_API, kind: 'ClusterRole', metadata: { name } };
      return await this.#client.find<Role>(wanted, { signal: this.#signal });
    } catch (error) {
      if (isStatus(error, 403)) return undefined;
      throw error;
    }
  }
}
