import { isClusterName, MANAGEMENT_CLUSTER } from '../clusters/managed-cluster.ts';
import { UserError } from '../errors.ts';
import { FLEET_API, FLEET_API_GROUP } from '../install/management.ts';
import { failure } from '../kube/status.ts';
import { MOST_CLUSTERS } from '../logs/query/log-query.ts';
import type { Refused } from '../logs/query/shortcoming.ts';
import { LOG_TYPES } from '../logs/types/index.ts';
import type { LogType } from '../logs/types/log-type.ts';
import { forbiddenMessage, type Requester } from '../rbac/log-access.ts';
import { Turns } from '../turns.ts';
import type { Answer, Api } from './aggregated-api.ts';
import type { ApiGroup } from './api-group.ts';
import { type LogApiOptions, noSuchCluster } from './log-api.ts';
import { LOG_LIST, QUERY_PARAMETERS } from './log-list-schema.ts';
import { explainFailure, type Found } from './log-reader.ts';
import { refuse } from './refuse.ts';

/** Reviews under way at once, of all reads together: hundreds come when what is remembered runs out, and others want answers too. */
const MOST_REVIEWS = 4;

const LOGS_PATH = `/apis/${FLEET_API}/logs/`;

/**
 * `GET /apis/query.kubectl-mcm.io/v1/logs/<type>?clusters=a,b,c`: the logs of one type of many clusters as one list.
 *
 * kube-apiserver lets everybody come here who has logged in. What they may see is decided for each cluster by the rights
 * that a read of it alone takes (see LogApi); a cluster that is left out is named, in the words of that read. So one that
 * is not there is told from one that is forbidden only to those who might read it.
 */
export class FleetApi implements Api {
  readonly group = GROUP;
  readonly #options: LogApiOptions;
  readonly #reviews = new Turns({ atOnce: MOST_REVIEWS, waiting: Number.POSITIVE_INFINITY });

  constructor(options: LogApiOptions) {
    this.#options = options;
  }

  async answer(method: string, target: string, requester: Requester, signal: AbortSignal): Promise<Answer> {
    if (method !== 'GET') return refuse(failure(405, 'MethodNotAllowed', `${method} is not allowed here; GET is`));
    const [path = '', search = ''] = target.split(/\?(.*)/s);
    // The path as it stands on the wire: nothing is decoded, and a second reading of it is none.
    const type = LOG_TYPES.find(({ name }) => path === `${LOGS_PATH}${name}`);
    if (type === undefined) return refuse(failure(404, 'NotFound', 'the server could not find the requested resource'));
    try {
      return { code: 200, ...(await this.#read(type, new URLSearchParams(search), requester, signal)) };
    } catch (error) {
      return explainFailure(error);
    }
  }

  async #read(type: LogType, parameters: URLSearchParams, requester: Requester, signal: AbortSignal): Promise<Found> {
    const read = this.#options.reader.understand(parameters, [type]);
    const asked = parseClusters(parameters);
    const refused = (
      await Promise.all(
        asked.map((cluster) => this.#reviews.take(() => this.#refusal(requester, cluster, type), signal)),
      )
    ).filter((refusal) => refusal !== undefined);
    const leftOut = new Set(refused.map(({ cluster }) => cluster));
    const clusters = asked.filter((cluster) => !leftOut.has(cluster));
    const { body, ...found } = await read(FLEET_API, { clusters, types: [type] }, signal);
    return { body: { ...body, shortcomings: [...refused, ...body.shortcomings] }, ...found };
  }

  async #refusal(requester: Requester, cluster: string, type: LogType): Promise<Refused | undefined> {
    const { access, isRegistered } = this.#options;
    if (!(await access.mayRead(requester, cluster, type))) {
      const message = forbiddenMessage(requester.user, cluster, type.name);
      return { kind: 'Refused', cluster, type: type.name, reason: 'Forbidden', message };
    }
    if (isRegistered(cluster)) return undefined;
    const { message = '' } = noSuchCluster(cluster);
    return { kind: 'Refused', cluster, type: type.name, reason: 'NotFound', message };
  }
}

/** @throws UserError */
function parseClusters(parameters: URLSearchParams): readonly string[] {
  const text = parameters.get('clusters') ?? '';
  const names = [...new Set(text.split(','))];
  for (const name of names) {
    if (name !== MANAGEMENT_CLUSTER && !isClusterName(name))
      throw new UserError(`clusters: "${name}" is no name of one`);
  }
  if (names.length > MOST_CLUSTERS) {
    throw new UserError(`clusters: ${names.length} are too many for one read: ${MOST_CLUSTERS} are the most`);
  }
  return names;
}

const GROUP: ApiGroup = {
  name: FLEET_API_GROUP,
  version: FLEET_API.slice(FLEET_API_GROUP.length + 1),
  resources: [{ name: 'logs', singularName: 'log', kind: 'LogList', verbs: ['get'], schema: LOG_LIST }],
  paths: [
    {
      path: '/logs/{type}',
      operationId: 'readFleetLogs',
      description: 'The logs of one type of many clusters, as far as the caller may read them; the others are named.',
      query: { clusters: 'Names of clusters, with commas between them.', ...QUERY_PARAMETERS },
      schema: LOG_LIST,
    },
  ],
};
