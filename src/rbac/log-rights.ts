import type { KubeClient } from '../kube/client.ts';
import type { LogType } from '../logs/types/log-type.ts';
import type { Turns } from '../turns.ts';
import { LOG_ACCESS_GROUP } from './log-access.ts';
import { has, hasName, type PolicyRule } from './rbac-objects.ts';

/** Whether somebody may read the logs of a type of a cluster, as the API server says. */
export interface LogRight {
  /** `*` for every cluster that there is or will be. */
  readonly cluster: string;
  readonly type: LogType;
  readonly allowed: boolean;
  /** The name among those that cover the type under which it is allowed. */
  readonly name?: string;
  /** Why it is or is not, in the API server's words; may be missing. */
  readonly reason?: string;
}

interface AccessReview {
  readonly status?: { readonly allowed?: boolean; readonly reason?: string; readonly evaluationError?: string };
}

interface RulesReview {
  readonly status?: { readonly resourceRules?: readonly PolicyRule[]; readonly evaluationError?: string };
}

/** Every right that somebody has, and why there may be more. */
export interface AllRights {
  readonly rights: readonly LogRight[];
  readonly incomplete: string | undefined;
}

/**
 * What whoever a client is may read. It asks the API server by SelfSubjectAccessReviews, so it is told what that would
 * do, by RBAC or any other authorizer, and needs no right but to ask, which everybody has.
 */
export class LogRights {
  readonly #client: KubeClient;
  readonly #turns: Turns;
  readonly #signal: AbortSignal;

  constructor(client: KubeClient, turns: Turns, signal: AbortSignal) {
    this.#client = client;
    this.#turns = turns;
    this.#signal = signal;
  }

  /** Whether the type may be read under any of the names that cover it. @throws StatusError */
  async may(cluster: string, type: LogType): Promise<LogRight> {
    let reason: string | undefined;
    for (const name of type.grants) {
      const { allowed, ...review } = await this.#review(cluster, name);
      reason ??= review.reason;
      if (allowed)
        return { cluster, type, allowed, name, ...(review.reason === undefined ? {} : { reason: review.reason }) };
    }
    return { cluster, type, allowed: false, ...(reason === undefined ? {} : { reason }) };
  }

  /**
   * What of these types may be read, of whichever clusters. The rules say where to ask; that something is allowed is
   * said by a review of its own, since rules of other namespaces' bindings may be among them. @throws StatusError
   */
  async all(types: readonly LogType[]): Promise<AllRights> {
    const { status = {} } = await this.#client.review<RulesReview>(
      '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
      review('SelfSubjectRulesReview', { namespace: 'default' }),
      { signal: this.#signal },
    );
    const rules = (status.resourceRules ?? []).filter(
      ({ verbs, apiGroups = [] }) => has(verbs, 'get') && has(apiGroups, LOG_ACCESS_GROUP),
    );
    // One with a slash is of subresources, and no cluster.
    const clusters = new Set(rules.flatMap(({ resources = [] }) => resources).filter((name) => !name.includes('/')));
    const asked = [...clusters].sort().flatMap((cluster) => {
      const own = rules.filter(({ resources = [] }) => resources.includes(cluster));
      const named = ({ grants }: LogType) =>
        own.some(({ resourceNames = [] }) => grants.some((name) => hasName(resourceNames, name)));
      return types.filter(named).map((type) => this.may(cluster, type));
    });
    const rights = (await Promise.all(asked)).filter(({ allowed }) => allowed);
    return { rights, incomplete: status.evaluationError };
  }

  async #review(
    cluster: string,
    name: string,
  ): Promise<{ readonly allowed: boolean; readonly reason: string | undefined }> {
    const resourceAttributes = { group: LOG_ACCESS_GROUP, version: 'v1', resource: cluster, name, verb: 'get' };
    const { status = {} } = await this.#turns.take(
      () =>
        this.#client.review<AccessReview>(
          '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
          review('SelfSubjectAccessReview', { resourceAttributes }),
          { signal: this.#signal },
        ),
      this.#signal,
    );
    return { allowed: status.allowed === true, reason: status.reason || status.evaluationError || undefined };
  }
}

function review(kind: string, spec: object): object {
  return { apiVersion: 'authorization.k8s.io/v1', kind, spec };
}
