import { LOG_DAYS_API, LOG_DAYS_PATH } from '../install/management.ts';
import { failure } from '../kube/status.ts';
import { type DayKeeper, endOf } from '../logs/store/elasticsearch/day-keeper.ts';
import { daysKept } from '../logs/store/elasticsearch/stored-days.ts';
import { StoreUnavailable } from '../logs/store/log-store.ts';
import type { CurrentSettings } from '../logs/store/store-settings.ts';
import type { Requester } from '../rbac/log-access.ts';
import { Turns } from '../turns.ts';
import type { Answer, Api } from './aggregated-api.ts';

/** One stored day, as the API gives it. */
export interface DayItem {
  readonly index: string;
  /** A log type's name, or `dead_letters`. */
  readonly type: string;
  /** Missing where clusters share the index. */
  readonly cluster?: string | undefined;
  /** `yyyymmdd` */
  readonly day: string;
  /** For how many days it is kept. */
  readonly days: number;
  readonly bytes: number;
  readonly records: number;
  /** RFC 3339; when it takes no more records. */
  readonly closes: string;
  /** RFC 3339; when it is deleted. Missing where an ILM policy does that. */
  readonly deletes?: string | undefined;
}

const GROUP_PATH = `/apis/${LOG_DAYS_API.split('/')[0]}`;

/**
 * `GET /apis/logs.kubectl-mcm.io/v1/days`: the stored days of all clusters, with their sizes and when they go. Nothing of
 * any record. kube-apiserver has authorized `list` on `days`; that one path, compared byte by byte, has one reading only.
 */
export class DayApi implements Api {
  readonly path = GROUP_PATH;
  readonly #days: DayKeeper;
  readonly #settings: CurrentSettings;
  /** Each lists everything that Elasticsearch has. */
  readonly #turns = new Turns({ atOnce: 1, waiting: 20 });

  constructor(days: DayKeeper, settings: CurrentSettings) {
    this.#days = days;
    this.#settings = settings;
  }

  async answer(method: string, target: string, _requester: Requester, signal: AbortSignal): Promise<Answer> {
    if (method !== 'GET') return refuse(405, 'MethodNotAllowed', `${method} is not allowed here; GET is`);
    const path = target.split('?')[0];
    if (path === GROUP_PATH) return { code: 200, body: API_GROUP };
    if (path === `/apis/${LOG_DAYS_API}`) return { code: 200, body: API_RESOURCES };
    if (path !== LOG_DAYS_PATH) return refuse(404, 'NotFound', 'the server could not find the requested resource');
    try {
      const measured = await this.#turns.take(() => this.#days.measure(signal), signal);
      const now = Date.now();
      const items = measured.map(({ index, kept, cluster, day, bytes, records, ...rest }): DayItem => {
        const stored = { index, kept, cluster, day, ...rest };
        const days = daysKept(this.#settings.value.retention, stored);
        const { closes, deletes } = endOf(stored, days, now);
        const item = { index, type: kept, cluster, day, days, bytes, records, closes: iso(closes) };
        return this.#settings.ilmPolicy === undefined ? { ...item, deletes: iso(deletes) } : item;
      });
      return { code: 200, body: { kind: 'DayList', apiVersion: LOG_DAYS_API, metadata: {}, items } };
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return refuse(503, 'ServiceUnavailable', `the log store does not answer: ${error.message}`);
    }
  }
}

function refuse(code: number, reason: string, message: string): Answer {
  return { code, body: failure(code, reason, message) };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

const [GROUP = '', VERSION = ''] = LOG_DAYS_API.split('/');
const VERSIONED = { groupVersion: LOG_DAYS_API, version: VERSION };
const API_GROUP = {
  kind: 'APIGroup',
  apiVersion: 'v1',
  name: GROUP,
  versions: [VERSIONED],
  preferredVersion: VERSIONED,
};

const API_RESOURCES = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: LOG_DAYS_API,
  resources: [{ name: 'days', singularName: 'day', namespaced: false, kind: 'Day', verbs: ['list'] }],
};
