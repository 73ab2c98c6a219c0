import { MANAGER_API, MANAGER_API_GROUP } from '../install/management.ts';
import { failure } from '../kube/status.ts';
import { StoreUnavailable } from '../logs/store/log-store.ts';
import type { Requester } from '../rbac/log-access.ts';
import { TooManyWaiting, Turns } from '../turns.ts';
import type { Answer, Api } from './aggregated-api.ts';
import type { ApiGroup, Schema } from './api-group.ts';
import { refuse } from './refuse.ts';
import { type TableColumn, tableOf } from './table.ts';

/** An item of a list; it has no kind, which the list says. */
export interface Item {
  readonly metadata: { readonly name: string };
}

/** A collection of the manager's own API group, which can be listed and nothing else. */
export interface Resource<T extends Item = Item> {
  /** The last part of its path. */
  readonly name: string;
  readonly singularName: string;
  /** Of its items; the list's has `List` behind it. */
  readonly kind: string;
  /** What an item holds. */
  readonly schema: Schema;
  /** What `kubectl get` shows of an item behind its name. */
  readonly columns: readonly TableColumn<T>[];
  /** @throws StoreUnavailable */
  list(signal: AbortSignal): Promise<readonly T[]>;
}

/** Lists of each resource at once, and those that wait: most ask Elasticsearch a good deal. */
const AT_ONCE = 1;
const WAITING = 20;

const VERSION_PATH = `/apis/${MANAGER_API}`;

/**
 * `GET /apis/logs.kubectl-mcm.io/v1/<resource>`: what the manager tells of itself and the store, and nothing of any
 * record. kube-apiserver has authorized `list` on the resource; its one path, compared byte by byte, has one reading only.
 */
export class ResourceApi implements Api {
  readonly group: ApiGroup;
  readonly #resources: ReadonlyMap<string, { readonly resource: Resource; readonly turns: Turns }>;

  constructor(resources: readonly Resource[]) {
    this.group = {
      name: MANAGER_API_GROUP,
      version: MANAGER_API.slice(MANAGER_API_GROUP.length + 1),
      resources: resources.map(({ name, singularName, kind, schema }) => ({
        ...{ name, singularName, kind, schema },
        verbs: ['list'],
      })),
      paths: [],
    };
    this.#resources = new Map(
      resources.map((resource) => [
        `${VERSION_PATH}/${resource.name}`,
        { resource, turns: new Turns({ atOnce: AT_ONCE, waiting: WAITING }) },
      ]),
    );
  }

  async answer(method: string, target: string, _requester: Requester, signal: AbortSignal): Promise<Answer> {
    if (method !== 'GET') return refuse(failure(405, 'MethodNotAllowed', `${method} is not allowed here; GET is`));
    const path = target.split('?')[0] ?? '';
    const served = this.#resources.get(path);
    if (served === undefined)
      return refuse(failure(404, 'NotFound', 'the server could not find the requested resource'));
    const { resource, turns } = served;
    try {
      const items = await turns.take(() => resource.list(signal), signal);
      const body = { kind: `${resource.kind}List`, apiVersion: MANAGER_API, metadata: {}, items };
      return { code: 200, body, table: () => tableOf(resource.columns, items) };
    } catch (error) {
      if (error instanceof StoreUnavailable) {
        return refuse(failure(503, 'ServiceUnavailable', `the log store does not answer: ${error.message}`));
      }
      if (error instanceof TooManyWaiting) return refuse(failure(429, 'TooManyRequests', error.message));
      throw error;
    }
  }
}
