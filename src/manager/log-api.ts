import { isClusterName, MANAGED_CLUSTER_GROUP, MANAGEMENT_CLUSTER } from '../clusters/managed-cluster.ts';
import { UserError } from '../errors.ts';
import { failure, type Status } from '../kube/status.ts';
import { LOG_TYPES, RESOURCE_NAMES, selectLogTypes } from '../logs/types/index.ts';
import type { LogType } from '../logs/types/log-type.ts';
import {
  forbiddenMessage,
  LOG_ACCESS_API,
  LOG_ACCESS_GROUP,
  type LogAccess,
  type Requester,
} from '../rbac/log-access.ts';
import type { Answer, Api } from './aggregated-api.ts';
import type { ApiGroup } from './api-group.ts';
import { LOG_LIST, QUERY_PARAMETERS } from './log-list-schema.ts';
import { explainFailure, type LogReader } from './log-reader.ts';
import { refuse } from './refuse.ts';

export interface LogApiOptions {
  readonly reader: Pick<LogReader, 'understand'>;
  readonly access: Pick<LogAccess, 'mayRead'>;
  /** Whether a ManagedCluster of that name exists, or it is the management cluster. */
  readonly isRegistered: (cluster: string) => boolean;
}

const VERSION_PATH = `/apis/${LOG_ACCESS_API}`;

/** Every name a read can be asked under, and the types it covers. */
const NAMES: ReadonlyMap<string, readonly LogType[]> = new Map(
  RESOURCE_NAMES.map((name) => [name, LOG_TYPES.filter((type) => type.grants.includes(name))]),
);

/**
 * `GET /apis/lma.tigera.io/v1/<cluster>/<name>`: the logs of one cluster, for whom RBAC lets see them.
 *
 * kube-apiserver has authorized the request before it comes here, but by its own reading of the path, which takes
 * `/x/flows/../dns` for the name `flows`. So the raw path is taken literally here (two segments, both known, else 404)
 * and the right to each type that is read is asked for again.
 */
export class LogApi implements Api {
  readonly group = GROUP;
  readonly #options: LogApiOptions;

  constructor(options: LogApiOptions) {
    this.#options = options;
  }

  /** Answers `method` on `target`, the request's path and query as they stand on the wire. */
  async answer(method: string, target: string, requester: Requester, signal: AbortSignal): Promise<Answer> {
    if (method !== 'GET') return refuse(failure(405, 'MethodNotAllowed', `${method} is not allowed here; GET is`));
    const mark = target.indexOf('?');
    const path = mark === -1 ? target : target.slice(0, mark);
    const subject = readPath(path);
    if (subject === undefined) return refuse(noSuchPath(path));
    try {
      const parameters = new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1));
      return await this.#read(subject, parameters, requester, signal);
    } catch (error) {
      return explainFailure(error);
    }
  }

  async #read(
    { cluster, name, types }: Subject,
    parameters: URLSearchParams,
    requester: Requester,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { reader, access } = this.#options;
    const asked = narrow(types, parameters.get('type'));
    const allowed: LogType[] = [];
    for (const type of asked) if (await access.mayRead(requester, cluster, type)) allowed.push(type);
    if (allowed.length === 0) {
      const message = forbiddenMessage(requester.user, cluster, asked.length === 1 ? (asked[0]?.name ?? name) : name);
      return refuse(failure(403, 'Forbidden', message, { name, group: LOG_ACCESS_GROUP, kind: cluster }));
    }
    // Which clusters there are is not everybody's business.
    if (!this.#options.isRegistered(cluster)) return refuse(noSuchCluster(cluster));
    const read = reader.understand(parameters, asked);
    return { code: 200, ...(await read(LOG_ACCESS_API, { clusters: [cluster], types: allowed }, signal)) };
  }
}

interface Subject {
  readonly cluster: string;
  readonly name: string;
  readonly types: readonly LogType[];
}

function readPath(path: string): Subject | undefined {
  if (!path.startsWith(`${VERSION_PATH}/`)) return undefined;
  const [cluster = '', segment = '', ...more] = path.slice(VERSION_PATH.length + 1).split('/');
  if (more.length > 0 || !(cluster === MANAGEMENT_CLUSTER || isClusterName(cluster))) return undefined;
  // The one character of a known name that API servers escape; everything else must be there as it is.
  const name = segment.replaceAll('%2A', '*');
  const types = NAMES.get(name);
  return types === undefined ? undefined : { cluster, name, types };
}

function narrow(types: readonly LogType[], word: string | null): readonly LogType[] {
  if (word === null) return types;
  const selected = selectLogTypes(word);
  if (selected === undefined) throw new UserError(`type: "${word}" is no log type`);
  const narrowed = types.filter((type) => selected.includes(type));
  if (narrowed.length === 0) throw new UserError(`type: "${word}" is not among what this name covers`);
  return narrowed;
}

function noSuchPath(path: string): Status {
  const message = path.startsWith(`${VERSION_PATH}/`)
    ? 'no such logs: the path is /<cluster>/<name>, with the name of a ManagedCluster and of a log type'
    : 'the server could not find the requested resource';
  return failure(404, 'NotFound', message);
}

/** Of a cluster that is not registered, for those who may read it. */
export function noSuchCluster(name: string): Status {
  const details = { name, group: MANAGED_CLUSTER_GROUP, kind: 'managedclusters' };
  return failure(404, 'NotFound', `managedclusters.${MANAGED_CLUSTER_GROUP} "${name}" not found`, details);
}

/** Without resources, and the same for everybody: the resources are clusters, whose names are not everyone's business. */
const GROUP: ApiGroup = {
  name: LOG_ACCESS_GROUP,
  version: LOG_ACCESS_API.slice(LOG_ACCESS_GROUP.length + 1),
  resources: [],
  paths: [
    {
      path: '/{cluster}/{name}',
      operationId: 'readLogs',
      description: 'The logs of one cluster, of the types that the name covers and the caller may read.',
      query: { type: 'Only this log type, of those that the name covers.', ...QUERY_PARAMETERS },
      schema: LOG_LIST,
    },
  ],
};
