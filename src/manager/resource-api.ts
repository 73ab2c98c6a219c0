import { MANAGER_API, MANAGER_API_GROUP } from '../install/management.ts';
import { failure } from '../kube/status.ts';
import { StoreUnavailable } from '../logs/store/log-store.ts';
import type { Requester } from '../rbac/log-access.ts';
import { TooManyWaiting, Turns } from '../turns.ts';
import type { Answer, Api } from './aggregated-api.ts';

/** A collection of the manager's own API group, which can be listed and nothing else. */
export interface Resource {
  /** The last part of its path. */
  readonly name: string;
  readonly singularName: string;
  /** Of its items; the list's has `List` behind it. */
  readonly kind: string;
  /** @throws StoreUnavailable */
  list(signal: AbortSignal): Promise<readonly object[]>;
}

/** Lists of each resource at once, and those that wait: most ask Elasticsearch a good deal. */
const AT_ONCE = 1;
const WAITING = 20;

const GROUP_PATH = `/apis/${MANAGER_API_GROUP}`;
const VERSION_PATH = `/apis/${MANAGER_API}`;

/**
 * `GET /apis/logs.kubectl-mcm.io/v1/<resource>`: what the manager tells of itself and the store, and nothing of any
 * record. kube-apiserver has authorized `list` on the resource; its one path, compared byte by byte, has one reading only.
 */
export class ResourceApi implements Api {
  readonly path = GROUP_PATH;
  readonly #resources: ReadonlyMap<string, { readonly resource: Resource; readonly turns: Turns }>;

  constructor(resources: readonly Resource[]) {
    this.#resources = new Map(
      resources.map((resource) => [
        `${VERSION_PATH}/${resource.name}`,
        { resource, turns: new Turns({ atOnce: AT_ONCE, waiting: WAITING }) },
      ]),
    );
  }

  async answer(method: string, target: string, _requester: Requester, signal: AbortSignal): Promise<Answer> {
    if (method !== 'GET') return refuse(405, 'MethodNotAllowed', `${method} is not allowed here; GET is`);
    const path = target.split('?')[0] ?? '';
    if (path === GROUP_PATH) return { code: 200, body: API_GROUP };
    if (path === VERSION_PATH) return { code: 200, body: this.#apiResources() };
    const served = this.#resources.get(path);
    if (served === undefined) return refuse(404, 'NotFound', 'the server could not find the requested resource');
    const { resource, turns } = served;
    try {
      const items = await turns.take(() => resource.list(signal), signal);
      return { code: 200, body: { kind: `${resource.kind}List`, apiVersion: MANAGER_API, metadata: {}, items } };
    } catch (error) {
      if (error instanceof StoreUnavailable) {
        return refuse(503, 'ServiceUnavailable', `the log store does not answer: ${error.message}`);
      }
      if (error instanceof TooManyWaiting) return refuse(429, 'TooManyRequests', error.message);
      throw error;
    }
  }

  #apiResources(): object {
    const resources = [...this.#resources.values()].map(({ resource: { name, singularName, kind } }) => ({
      name,
      singularName,
      kind,
      namespaced: false,
      verbs: ['list'],
    }));
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: MANAGER_API, resources };
  }
}

function refuse(code: number, reason: string, message: string): Answer {
  return { code, body: failure(code, reason, message) };
}

const VERSIONED = { groupVersion: MANAGER_API, version: MANAGER_API.split('/')[1] ?? '' };
const API_GROUP = {
  kind: 'APIGroup',
  apiVersion: 'v1',
  name: MANAGER_API_GROUP,
  versions: [VERSIONED],
  preferredVersion: VERSIONED,
};
