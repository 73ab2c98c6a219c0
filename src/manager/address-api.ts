import type { Logger } from 'pino';
import { isClusterName } from '../clusters/managed-cluster.ts';
import { messageOf } from '../errors.ts';
import { RESTORE_SECONDS } from '../install/address-config.ts';
import { readHostPort } from '../install/host-port.ts';
import { PROXY_API, PROXY_API_GROUP } from '../install/management.ts';
import { failure } from '../kube/status.ts';
import type { Requester } from '../rbac/log-access.ts';
import { ClusterClient } from '../tunnel/cluster-client.ts';
import type { Tunnels } from '../tunnel/tunnels.ts';
import { TooManyWaiting, Turns } from '../turns.ts';
import type { Answer, Api, ReadBody } from './aggregated-api.ts';
import type { ApiGroup } from './api-group.ts';
import { AddressRefusal, ClusterAddress, type KnownAddress } from './cluster-address.ts';
import { ClusterObjects } from './cluster-objects.ts';
import { noSuchCluster } from './log-api.ts';
import { ADDRESS_SCHEMA, addressPath, type ManagementAddress } from './management-address.ts';
import { refuse } from './refuse.ts';

export interface AddressApiOptions {
  readonly tunnels: Pick<Tunnels, 'get'>;
  /** Whether a ManagedCluster of that name exists. */
  readonly isRegistered: (cluster: string) => boolean;
  readonly log: Logger;
}

/** Requests at once, each of which asks a cluster several times, and those that wait. */
const AT_ONCE = 32;
const WAITING = 300;
const MAX_BODY = 16 * 1024;
/** Milliseconds for all of one: kube-apiserver has given it up after 60 s. */
const TIMEOUT = 55_000;

const ALLOWED = 'GET, PUT';

/**
 * `GET` and `PUT /apis/proxy.kubectl-mcm.io/v1/managedclusters/<name>/address`: by which address a cluster reaches its
 * manager, read and changed through its own tunnel, with the rights of who opens it. kube-apiserver has authorized `get` or
 * `update` on managedclusters/address of that name; the path, compared byte by byte, has one reading only.
 */
export class AddressApi implements Api {
  readonly group = GROUP;
  readonly #options: AddressApiOptions;
  readonly #turns = new Turns({ atOnce: AT_ONCE, waiting: WAITING });
  /** Whose address is being changed. */
  readonly #changing = new Set<string>();

  constructor(options: AddressApiOptions) {
    this.#options = options;
  }

  async answer(
    method: string,
    target: string,
    requester: Requester,
    signal: AbortSignal,
    readBody: ReadBody,
  ): Promise<Answer> {
    const [path = '', query = ''] = target.split('?');
    const [, , , , , cluster = ''] = path.split('/');
    const isItsPath = isClusterName(cluster) && path === addressPath(cluster);
    if (!isItsPath) return refuse(failure(404, 'NotFound', 'the server could not find the requested resource'));
    if (method !== 'GET' && method !== 'PUT') {
      const message = `${method} is not allowed here; ${ALLOWED} are`;
      return { ...refuse(failure(405, 'MethodNotAllowed', message)), allow: ALLOWED };
    }
    if (!this.#options.isRegistered(cluster)) return refuse(noSuchCluster(cluster));
    const wanted = method === 'GET' ? undefined : await readWanted(cluster, readBody);
    if (typeof wanted === 'string') return refuse(failure(400, 'BadRequest', wanted));
    const ended = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]);
    try {
      return await this.#turns.take(async () => {
        if (wanted === undefined) return await this.#ask(cluster, ended, (address) => address.read());
        const dryRun = new URLSearchParams(query).get('dryRun') === 'All';
        return await this.#put(cluster, wanted, { dryRun, user: requester.user }, ended);
      }, ended);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof TooManyWaiting) return refuse(failure(429, 'TooManyRequests', error.message));
      return refuse(
        failure(
          503,
          'ServiceUnavailable',
          `managedcluster "${cluster}" did not answer in its tunnel: ${messageOf(error)}`,
        ),
      );
    }
  }

  async #put(
    cluster: string,
    spec: ManagementAddress['spec'],
    { dryRun, user }: { readonly dryRun: boolean; readonly user: string },
    signal: AbortSignal,
  ): Promise<Answer> {
    if (this.#changing.has(cluster)) {
      return refuse(
        failure(409, 'Conflict', `the address of managedcluster "${cluster}" is being changed in this moment`),
      );
    }
    this.#changing.add(cluster);
    const { address, revertAfterSeconds, confirmed } = spec;
    try {
      const answer = await this.#ask(cluster, signal, async (changed) =>
        confirmed === true
          ? await changed.confirm(address)
          : await changed.change({ address, revertAfterSeconds, dryRun }),
      );
      if (answer.code === 200 && !dryRun) {
        const done = confirmed === true ? 'address confirmed' : 'address changed';
        this.#options.log.info({ cluster, user, address, revertAfterSeconds }, done);
      }
      return answer;
    } finally {
      this.#changing.delete(cluster);
    }
  }

  /** @throws Error where the cluster does not answer */
  async #ask(
    cluster: string,
    signal: AbortSignal,
    work: (address: ClusterAddress) => Promise<KnownAddress>,
  ): Promise<Answer> {
    const tunnel = this.#options.tunnels.get(cluster);
    if (tunnel === undefined) {
      return refuse(failure(503, 'ServiceUnavailable', `managedcluster "${cluster}" has no tunnel to this manager`));
    }
    const client = new ClusterClient(tunnel);
    try {
      const { address, status } = await work(new ClusterAddress(cluster, new ClusterObjects(client, signal), signal));
      return { code: 200, body: managementAddress(cluster, { address, status }) };
    } catch (error) {
      if (!(error instanceof AddressRefusal)) throw error;
      return refuse(failure(409, 'Conflict', `managedcluster "${cluster}": ${error.message}`));
    } finally {
      client.close();
    }
  }
}

function managementAddress(cluster: string, { address, status }: KnownAddress): ManagementAddress {
  return { kind: 'ManagementAddress', apiVersion: PROXY_API, metadata: { name: cluster }, spec: { address }, status };
}

/** What a PUT asks for; in words what is wrong with it. */
async function readWanted(cluster: string, readBody: ReadBody): Promise<ManagementAddress['spec'] | string> {
  const body = await readBody(MAX_BODY);
  if (body === undefined) return `the object is longer than ${MAX_BODY} bytes`;
  const object = parse(body);
  if (object?.kind !== 'ManagementAddress' || object.apiVersion !== PROXY_API) {
    return `a JSON object of kind ManagementAddress (${PROXY_API}) is expected`;
  }
  const { metadata, spec } = object as { metadata?: { name?: unknown }; spec?: Readonly<Record<string, unknown>> };
  if (metadata?.name !== cluster) return `metadata.name is not "${cluster}"`;
  const { address, revertAfterSeconds: seconds, confirmed, ...others } = spec ?? {};
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `spec.${unknown} is not known`;
  if (typeof address !== 'string' || readHostPort(address) === undefined)
    return 'spec.address is not of the form HOST:PORT';
  const { least, most } = RESTORE_SECONDS;
  if (seconds !== undefined && !(Number.isInteger(seconds) && Number(seconds) >= least && Number(seconds) <= most)) {
    return `spec.revertAfterSeconds is not from ${least} to ${most}`;
  }
  if (confirmed !== undefined && typeof confirmed !== 'boolean') return 'spec.confirmed is neither true nor false';
  return {
    address,
    ...(seconds === undefined ? {} : { revertAfterSeconds: Number(seconds) }),
    ...(confirmed === undefined ? {} : { confirmed }),
  };
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** Without resources: there is nothing to list, and whose clusters there are is not everybody's business. */
const GROUP: ApiGroup = {
  name: PROXY_API_GROUP,
  version: PROXY_API.slice(PROXY_API_GROUP.length + 1),
  resources: [],
  paths: [
    {
      path: '/managedclusters/{name}/address',
      operationId: 'readManagementAddress',
      putOperationId: 'replaceManagementAddress',
      description: 'By which address a managed cluster reaches its manager. A PUT of the same changes it.',
      query: {},
      schema: ADDRESS_SCHEMA,
    },
  ],
};
