import { FIELD_MANAGER } from '../kube/client.ts';
import type { KubeObject } from '../kube/objects.ts';
import { objectName, objectPath } from '../kube/objects.ts';
import { parseStatus } from '../kube/status.ts';
import type { ClusterAnswer, ClusterClient } from '../tunnel/cluster-client.ts';

/** What a managed cluster's API server does not let us do, or does not have. */
export class ClusterRefusal extends Error {
  override readonly name = 'ClusterRefusal';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type ObjectRef = Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>;

export interface ReadObject {
  /** Written by somebody whom we do not trust: everything in it may be anything. */
  readonly object: Readonly<Record<string, unknown>>;
  readonly headers: ClusterAnswer['headers'];
}

/** Single objects of a managed cluster, through its tunnel. Each method throws ClusterRefusal, or Error for no answer. */
export class ClusterObjects {
  readonly #client: ClusterClient;
  readonly #signal: AbortSignal;

  constructor(client: ClusterClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async read(ref: ObjectRef): Promise<ReadObject> {
    return accepted(await this.#client.get(objectPath(ref), this.#signal), objectName(ref));
  }

  /** What a path lists. */
  async list(path: string): Promise<readonly unknown[]> {
    const { items } = accepted(await this.#client.get(path, this.#signal), path).object;
    return Array.isArray(items) ? items : [];
  }

  /** Merge patch. A dry run changes nothing, and is refused for what would be. */
  async patch(ref: ObjectRef, patch: object, { dryRun }: { readonly dryRun: boolean }): Promise<void> {
    const query = `?fieldManager=${FIELD_MANAGER}&fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`;
    accepted(await this.#client.patch(`${objectPath(ref)}${query}`, patch, this.#signal), objectName(ref));
  }
}

function accepted({ code, body, headers }: ClusterAnswer, what: string): ReadObject {
  // Guardian's own, where it does not reach its API server.
  if (code >= 500) throw new Error(`the cluster answered ${code} for ${what}`);
  if (code >= 400) throw new ClusterRefusal(code, parseStatus(code, body).message ?? `it answered ${code} for ${what}`);
  try {
    const object: unknown = JSON.parse(body);
    if (typeof object === 'object' && object !== null) return { object: object as ReadObject['object'], headers };
  } catch {
    // As below.
  }
  throw new Error(`the cluster answered with no object for ${what}`);
}
