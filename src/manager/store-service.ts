import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { NAMESPACE } from '../clusters/managed-cluster.ts';
import { messageOf, UserError } from '../errors.ts';
import { KEEPER_LEASE, LOGS_CONFIG, LOGS_KEYS } from '../install/management.ts';
import type { KubeClient } from '../kube/client.ts';
import { holdLease } from '../kube/lease.ts';
import type { ConfigMap } from '../kube/objects.ts';
import { watchCollection } from '../kube/watch.ts';
import type { DayKeeper } from '../logs/store/elasticsearch/day-keeper.ts';
import {
  type ConfigTexts,
  fingerprintOf,
  formatStatus,
  type ReadConfig,
  readConfig,
} from '../logs/store/store-config.ts';
import { type CurrentSettings, formatHistory, type StoreSettings } from '../logs/store/store-settings.ts';
import type { RepeatedLog } from './repeated-log.ts';
import { type Trouble, troubleOf } from './trouble.ts';

export interface StoreServiceOptions {
  readonly client: KubeClient;
  readonly settings: CurrentSettings;
  readonly days: DayKeeper;
  /** Who we are among managers. */
  readonly identity: string;
  /** How many clusters have logs. */
  readonly clusters: () => number;
  readonly log: Logger;
  readonly repeated: RepeatedLog;
}

/** When the days were last looked after, and why that has failed since. */
export interface LastRound {
  /** RFC 3339 */
  readonly lastRound?: string;
  readonly error?: string;
  /** Why tomorrow's indices could not be created. */
  readonly tomorrow?: Trouble;
}

/** Milliseconds between rounds of what is done by one manager at a time. */
const ROUND = 60_000;

/** The texts of ours in the ConfigMap belong to this owner of fields; those that people write do not. */
const OWNER = 'kubectl-mcm-manager';

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: LOGS_CONFIG, namespace: NAMESPACE } };
const COLLECTION = `/api/v1/namespaces/${NAMESPACE}/configmaps`;

/**
 * How the store is configured, from the ConfigMap `logs`, and what follows from it. Every manager reads it; the one that
 * has the lease decides on a new layout, writes that down, and looks after the days.
 */
export class StoreService {
  readonly #options: StoreServiceOptions;
  #texts: ConfigTexts = {};
  #config: ReadConfig | undefined;
  /** Why the layout that is wanted cannot be had. */
  #refusal: string | undefined;
  /** The last round of what is done by one manager at a time, if that was this one. */
  #lastRound: LastRound = {};
  #changed = new AbortController();

  constructor(options: StoreServiceOptions) {
    this.#options = options;
  }

  /** What of the configuration is not in order, and changes nothing. */
  get refused(): readonly string[] {
    return [...(this.#config?.refused ?? []), ...(this.#refusal === undefined ? [] : [this.#refusal])];
  }

  /** Empty where another manager does it. */
  get lastRound(): LastRound {
    return this.#lastRound;
  }

  /** Reads the configuration once, before any record is written. @throws UserError when it cannot be known. */
  async start(signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    const config = await client.find<ConfigMap>(CONFIG_MAP, { signal });
    if (config === undefined) log.warn(`there is no ConfigMap ${LOGS_CONFIG}; run: kubectl mcm install management`);
    try {
      this.#take(config?.data ?? {}, undefined);
    } catch (error) {
      throw new UserError(`error: configmap/${LOGS_CONFIG} in ${NAMESPACE}: ${messageOf(error)}`, {
        hint: 'without the history of layouts it is not known where records are: restore its key "history"',
      });
    }
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, identity, repeated } = this.#options;
    const election = { lease: KEEPER_LEASE, identity, signal };
    const onError = (error: unknown) => repeated.warn('lease not renewed', messageOf(error));
    const keep = (held: AbortSignal) => this.#keep(held);
    await Promise.all([this.#follow(signal), holdLease({ ...election, onError }, client, keep)]);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { client, log, settings } = this.#options;
    const events = watchCollection<ConfigMap>(client, COLLECTION, {
      signal,
      fieldSelector: `metadata.name=${LOGS_CONFIG}`,
      onError: (error) => log.warn({ reason: messageOf(error) }, 'configuration of the store cannot be watched'),
    });
    for await (const event of events) {
      const config = event.type === 'list' ? event.objects[0] : event.object;
      if (config === undefined || event.type === 'delete') {
        log.warn(`the ConfigMap ${LOGS_CONFIG} is gone; what it said stays in force`);
      } else {
        this.#take(config.data ?? {}, settings.value);
      }
    }
  }

  #take(texts: ConfigTexts, before: StoreSettings | undefined): void {
    const { settings, log } = this.#options;
    const refusedBefore = this.#config?.refused.join();
    this.#config = readConfig(texts, before, Date.now());
    this.#texts = texts;
    settings.value = this.#config.settings;
    const { refused } = this.#config;
    if (refused.length > 0 && refused.join() !== refusedBefore) {
      log.error({ refused }, `the ConfigMap ${LOGS_CONFIG} is not in order; what is not changes nothing`);
    }
    this.#changed.abort();
  }

  async #keep(held: AbortSignal): Promise<void> {
    const { log, repeated } = this.#options;
    while (!held.aborted) {
      this.#changed = new AbortController();
      try {
        await this.#decide(held);
        const { closed, reopened, deleted, created, notCreated } = await this.#options.days.round(Date.now(), held);
        if (closed.length > 0) log.info({ indices: closed }, 'days closed: they are deleted in six hours');
        if (reopened.length > 0) log.info({ indices: reopened }, 'days opened again: they are kept longer now');
        if (deleted.length > 0) log.info({ indices: deleted }, 'days deleted');
        if (created.length > 0) log.info({ count: created.length }, "tomorrow's indices created");
        if (notCreated !== undefined) repeated.warn("tomorrow's indices not created", notCreated.message);
        const tomorrow = notCreated === undefined ? {} : { tomorrow: troubleOf(notCreated) };
        this.#lastRound = { lastRound: new Date().toISOString(), ...tomorrow };
      } catch (error) {
        if (!held.aborted) repeated.warn('days not looked after', messageOf(error));
        this.#lastRound = { ...this.#lastRound, error: messageOf(error) };
      }
      const soon = AbortSignal.any([held, this.#changed.signal]);
      await sleep(ROUND, undefined, { signal: soon }).catch(() => undefined);
    }
    this.#lastRound = {};
  }

  /** Writes down the layout that is to come, where it may, and what is to be said of the configuration. */
  async #decide(held: AbortSignal): Promise<void> {
    const { client, settings, days, clusters } = this.#options;
    const texts = this.#texts;
    this.#refusal = undefined;
    let { layouts } = settings.value;
    const next = this.#config?.wanted === undefined ? layouts : layouts.with(this.#config.wanted, Date.now());
    if (next !== layouts && this.#config?.wanted !== undefined) {
      // What only takes back a change that is still to come leaves in force what is, whatever room there is.
      const takesBack = next.periods.length < layouts.periods.length;
      const refusal = takesBack ? undefined : await days.refuseLayout(this.#config.wanted, clusters(), held);
      if (refusal === undefined) layouts = next;
      else this.#refusal = refusal;
    }
    const { refused } = this;
    const history = formatHistory(layouts);
    const status = formatStatus({ answers: fingerprintOf(texts), refused });
    if (history === texts.history && status === texts.status) return;
    const data = { [LOGS_KEYS.history]: history, [LOGS_KEYS.status]: status };
    await client.apply<ConfigMap>({ ...CONFIG_MAP, data }, { fieldManager: OWNER, force: true, signal: held });
  }
}
