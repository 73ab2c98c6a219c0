import type { KubeClient } from '../kube/client.ts';
import type { LogType } from '../logs/types/log-type.ts';

/** API group of log access: resources are cluster names, resource names are log types (Calico's documentation). */
export const LOG_ACCESS_GROUP = 'lma.tigera.io';
export const LOG_ACCESS_API = `${LOG_ACCESS_GROUP}/v1`;

/** Who asks, as kube-apiserver authenticated them. */
export interface Requester {
  readonly user: string;
  readonly uid: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Milliseconds for which an answer is taken as still true: how long a right taken away may go on working. */
const REMEMBERED = 10_000;
const MOST_REMEMBERED = 10_000;

interface Remembered {
  readonly until: number;
  readonly allowed: Promise<boolean>;
}

/** Asks Kubernetes RBAC who may read what. */
export class LogAccess {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  readonly #remembered = new Map<string, Remembered>();

  /** `signal` ends all asking; requests share answers, so none of them can end one alone. */
  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Whether `requester` may read logs of this type of this cluster, by any name that covers the type. */
  async mayRead(requester: Requester, cluster: string, type: LogType): Promise<boolean> {
    for (const name of type.grants) if (await this.#mayGet(requester, cluster, name)) return true;
    return false;
  }

  #mayGet(requester: Requester, cluster: string, name: string): Promise<boolean> {
    const { user, uid, groups, extra } = requester;
    const key = JSON.stringify([user, uid, groups, extra, cluster, name]);
    const known = this.#remembered.get(key);
    if (known !== undefined && known.until > Date.now()) return known.allowed;
    const allowed = this.#review(requester, cluster, name);
    // Deleted first, so that the map stays in order of age.
    this.#remembered.delete(key);
    this.#remembered.set(key, { until: Date.now() + REMEMBERED, allowed });
    allowed.catch(() => this.#remembered.delete(key));
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MOST_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
    return allowed;
  }

  async #review({ user, uid, groups, extra }: Requester, cluster: string, name: string): Promise<boolean> {
    const review = await this.#client.review<{ readonly status?: { readonly allowed?: boolean } }>(
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user,
          groups,
          extra,
          ...(uid === undefined ? {} : { uid }),
          resourceAttributes: { group: LOG_ACCESS_GROUP, version: 'v1', resource: cluster, name, verb: 'get' },
        },
      },
      { signal: this.#signal },
    );
    return review.status?.allowed === true;
  }
}

/** kube-apiserver's sentence for a read that RBAC does not allow. */
export function forbiddenMessage(user: string, cluster: string, name: string): string {
  return `${cluster}.${LOG_ACCESS_GROUP} "${name}" is forbidden: User "${user}" cannot get resource "${cluster}" in API group "${LOG_ACCESS_GROUP}" at the cluster scope`;
}
