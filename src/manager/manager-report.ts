import { X509Certificate } from 'node:crypto';
import packageJson from '../../package.json' with { type: 'json' };
import type { KeyPair } from '../clusters/key-pair.ts';
import { messageOf } from '../errors.ts';
import { makeChecks, type ReadinessCheck } from '../health-port.ts';
import { MANAGER_API } from '../install/management.ts';
import type { Spool } from '../logs/spool/spool.ts';
import type { LetterCounts, StoreFacts, StoreReport } from '../logs/store/elasticsearch/store-report.ts';
import { type LogStore, StoreUnavailable } from '../logs/store/log-store.ts';
import { dayAfter } from '../logs/store/retention.ts';
import type { CurrentSettings } from '../logs/store/store-settings.ts';
import { MANAGER_COLUMNS, MANAGER_SCHEMA } from './manager-schema.ts';
import type { LayoutStatus, ManagerItem, RetentionStatus, StoreStatus } from './manager-status.ts';
import type { Resource } from './resource-api.ts';
import { spoolStatus } from './spool-service.ts';
import type { StoreService } from './store-service.ts';
import { type Trouble, troubleOf } from './trouble.ts';
import type { TurnedAwayUploads } from './turned-away.ts';

export interface ReportOptions {
  /** Tells this manager from others. */
  readonly identity: string;
  readonly certificate: KeyPair;
  readonly checks: readonly ReadinessCheck[];
  readonly settings: CurrentSettings;
  /** What is behind the spool, where there is one. */
  readonly store: LogStore;
  readonly storeReport: StoreReport;
  readonly storeUrls: readonly string[];
  readonly storeService: StoreService;
  readonly answersAnybody: () => boolean | undefined;
  readonly spooling: { readonly spool: Spool; readonly size: number } | undefined;
  readonly turnedAway: TurnedAwayUploads;
}

/** Milliseconds for the store to say how it is. */
const PATIENCE = 5_000;

/** `managers`: the manager that answers, how it is, and what is behind it. */
export class ManagerReport implements Resource<ManagerItem> {
  readonly name = 'managers';
  readonly singularName = 'manager';
  readonly kind = 'Manager';
  readonly schema = MANAGER_SCHEMA;
  readonly columns = MANAGER_COLUMNS;
  readonly #options: ReportOptions;
  readonly #started = new Date().toISOString();

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  async list(signal: AbortSignal): Promise<readonly ManagerItem[]> {
    const { identity, certificate, checks, storeService, turnedAway, spooling } = this.#options;
    const now = Date.now();
    const [outcomes, store, deadLetters] = await Promise.all([
      makeChecks(checks),
      this.#store(signal),
      this.#deadLetters(now, signal),
    ]);
    return [
      {
        apiVersion: MANAGER_API,
        kind: 'Manager',
        metadata: { name: identity, creationTimestamp: this.#started },
        status: {
          version: packageJson.version,
          checks: outcomes,
          certificateExpires: new Date(new X509Certificate(certificate.certificate).validTo).toISOString(),
          store,
          layout: this.#layout(now),
          retention: this.#retention(),
          refusedSettings: storeService.refused,
          spool: spooling === undefined ? undefined : spoolStatus(spooling.spool, spooling.size),
          turnedAway: turnedAway.list(now),
          deadLetters,
        },
      },
    ];
  }

  async #store(signal: AbortSignal): Promise<StoreStatus> {
    const { store, storeReport, storeUrls: urls, answersAnybody } = this.#options;
    const late = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    let facts: Partial<StoreFacts> = {};
    let trouble: Trouble | undefined;
    try {
      facts = await storeReport.facts(late);
      // Asks for more: what has to be in place before a write.
      await store.ping(late);
    } catch (error) {
      signal.throwIfAborted();
      trouble = storeTrouble(error, late.aborted);
    }
    return { urls, ...facts, trouble, answersAnybody: answersAnybody() };
  }

  /** undefined where the store does not say. */
  async #deadLetters(now: number, signal: AbortSignal): Promise<LetterCounts | undefined> {
    const late = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    try {
      return await this.#options.storeReport.deadLetters(now, late);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StoreUnavailable || late.aborted) return undefined;
      throw error;
    }
  }

  #layout(now: number): LayoutStatus {
    const { layout, prefix, shards } = this.#options.settings.value.layouts.of(dayAfter(now, 0));
    return { layout, prefix, shards: layout === 'shared' ? shards : 1 };
  }

  #retention(): RetentionStatus {
    const { settings, storeService } = this.#options;
    return { ilmPolicy: settings.ilmPolicy, ...storeService.lastRound };
  }
}

function storeTrouble(error: unknown, late: boolean): Trouble {
  if (error instanceof StoreUnavailable) return troubleOf(error);
  if (late) return { reason: 'Unreachable', message: `Elasticsearch has not answered in ${PATIENCE / 1000} s` };
  return { reason: 'Unknown', message: messageOf(error) };
}
