import { Client, errors } from '@elastic/elasticsearch';
import type { LogQuery } from '../../query/log-query.ts';
import type { DeadLetter, LogRecord } from '../../record/record.ts';
import type { UploadSource } from '../../record/source.ts';
import { dayOf } from '../../record/time.ts';
import type { LogType } from '../../types/log-type.ts';
import {
  type FoundRecords,
  type LogStore,
  type RecordBatch,
  StoreUnavailable,
  type WriteOutcome,
} from '../log-store.ts';
import { OpenDays } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { type BulkItem, bulkCreate, unavailable } from './bulk.ts';
import type { BulkVerdict } from './bulk-verdict.ts';
import { DayKeeper } from './day-keeper.ts';
import { deadLetterDocument } from './dead-letter.ts';
import { type ElasticsearchOptions, REQUEST_TIMEOUT } from './elasticsearch-options.ts';
import { faultOf } from './fault.ts';
import { IndexNames } from './index-names.ts';
import { isRequestTooLong, LongRecords } from './long-records.ts';
import { MappingConflicts } from './mapping-conflicts.ts';
import { publishSettings } from './published-settings.ts';
import { isLong } from './record-length.ts';
import { searchRecords } from './search.ts';
import { StoreReport } from './store-report.ts';
import { IndexTemplates } from './templates.ts';

/** The central log store: Elasticsearch 8 or 9. */
export class ElasticsearchStore implements LogStore {
  /** What is to be done about its days by one manager at a time. */
  readonly days: DayKeeper;
  readonly report: StoreReport;
  readonly #options: ElasticsearchOptions;
  readonly #client: Client;
  readonly #settings: CurrentSettings;
  readonly #names: IndexNames;
  readonly #templates: IndexTemplates;
  readonly #conflicts: MappingConflicts;
  readonly #long: LongRecords;

  /** `patience`: see LongRecords. */
  constructor(options: ElasticsearchOptions, settings: CurrentSettings, patience?: number) {
    this.#options = options;
    this.#settings = settings;
    this.#names = new IndexNames(settings);
    this.#long = new LongRecords(patience);
    const { auth } = options;
    this.#client = newClient(options, auth === undefined ? {} : { auth });
    this.#conflicts = new MappingConflicts(this.#client);
    this.days = new DayKeeper(this.#client, settings);
    this.report = new StoreReport(this.#client, settings);
    this.#templates = new IndexTemplates(settings, {
      settings: () => this.#publishSettings(),
      put: (name, template) => this.#client.indices.putIndexTemplate({ name, ...template }),
    });
  }

  async write({ type, source: { cluster }, records }: RecordBatch, signal: AbortSignal): Promise<WriteOutcome> {
    await this.#prepare(signal);
    const ingested = Date.now();
    const open = new OpenDays(this.#settings.value.retention, type.name, cluster, ingested);
    const refused: DeadLetter[] = [];
    const kept: LogRecord[] = [];
    for (const record of records) {
      if (open.has(record.day)) kept.push(record);
      else refused.push({ id: record.id, line: record.line, reason: open.reason(record.day) });
    }
    const items = kept.map(
      (record): BulkItem => ({
        at: this.#names.day(type, cluster, record.day),
        id: record.id,
        pieces: documentOf(record, ingested),
      }),
    );
    const verdicts = await this.#createEach(items, kept, signal);
    let stored = 0;
    const known: { readonly item: BulkItem; readonly record: LogRecord }[] = [];
    for (const [at, verdict] of verdicts.entries()) {
      const record = kept[at] as LogRecord;
      const item = items[at] as BulkItem;
      if (verdict.kind === 'held-back') throw heldBack(item, verdict);
      if (verdict.kind === 'created') stored++;
      else if (verdict.kind === 'known') known.push({ item, record });
      else refused.push(await this.#refusedFor(verdict.reason, type, item, record, signal));
    }
    const differing = await this.#countDiffering(known, signal);
    return { stored, known: known.length, differing, refused };
  }

  /** @throws StoreUnavailable where it is not the record that is at fault, but the index. */
  async #refusedFor(reason: string, type: LogType, { at }: BulkItem, { id, line }: LogRecord, signal: AbortSignal) {
    const conflict = await this.#conflicts.of(type, at.index, reason, signal);
    if (conflict === undefined) return { id, line, reason };
    throw new StoreUnavailable(`${at.index}: ${conflict}`, { fault: 'MappingConflict' });
  }

  /** Of documents that are there already, those that were stored with another checksum. */
  async #countDiffering(
    known: readonly { readonly item: BulkItem; readonly record: LogRecord }[],
    signal: AbortSignal,
  ): Promise<number> {
    const checked = known.filter(({ record }) => record.checksum !== undefined);
    if (checked.length === 0) return 0;
    const docs = checked.map(({ item: { at, id } }) => ({
      _index: at.index,
      _id: id,
      _source: ['checksum'],
      ...(at.routing === undefined ? {} : { routing: at.routing }),
    }));
    const { docs: found } = await this.#client
      .mget<{ readonly checksum?: string }>({ docs }, { signal })
      .catch((error: unknown) => {
        throw signal.aborted ? error : unavailable(error);
      });
    return found.filter((doc, at) => '_source' in doc && doc._source?.checksum !== checked[at]?.record.checksum).length;
  }

  async setAside(
    letters: readonly DeadLetter[],
    type: LogType,
    source: UploadSource,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#prepare(signal);
    const now = Date.now();
    const at = this.#names.deadLetters(source.cluster, dayOf(now));
    const items = letters.map((letter): BulkItem => {
      // The same line can have been sent as two types of log.
      return { at, id: `${type.name}/${letter.id}`, pieces: [deadLetterDocument(letter, type, source, now)] };
    });
    for (const [n, verdict] of (await this.#create(items, signal)).entries()) {
      if (verdict.kind === 'held-back') throw heldBack(items[n] as BulkItem, verdict);
      if (verdict.kind === 'refused') {
        // What we have made up ourselves is in order.
        throw new StoreUnavailable(`${at.index}: ${verdict.reason}`, { fault: 'MappingConflict' });
      }
    }
  }

  async search(query: LogQuery, signal: AbortSignal): Promise<FoundRecords> {
    return await searchRecords(this.#client, this.#names, query, signal);
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#prepare(signal);
    try {
      await this.#client.cluster.health({ timeout: '5s' }, { signal });
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Why the ILM policy cannot be used; undefined where it can, or none is asked for. @throws StoreUnavailable */
  async refusePolicy(signal: AbortSignal): Promise<string | undefined> {
    const { ilmPolicy: name } = this.#settings;
    if (name === undefined) return undefined;
    try {
      await this.#client.ilm.getLifecycle({ name }, { signal });
      return undefined;
    } catch (error) {
      if (error instanceof errors.ResponseError && error.statusCode === 404) {
        return `this Elasticsearch has no ILM policy "${name}"`;
      }
      if (error instanceof errors.ResponseError && error.statusCode === 400) {
        return 'this Elasticsearch has no index lifecycle management';
      }
      throw signal.aborted ? error : unavailable(error);
    }
  }

  /**
   * Whether Elasticsearch answers those who do not say who they are; undefined where it does not answer at all. Then
   * whoever reaches it reads past RBAC.
   */
  async answersAnybody(signal: AbortSignal): Promise<boolean | undefined> {
    const { ca } = this.#options.tls ?? {};
    const { tls: _tls, ...options } = this.#options;
    const nobody = newClient({ ...options, ...(ca === undefined ? {} : { tls: { ca } }) }, {});
    try {
      await nobody.cluster.health({}, { signal });
      return true;
    } catch (error) {
      return error instanceof errors.ResponseError && [401, 403].includes(error.statusCode ?? 0) ? false : undefined;
    } finally {
      await nobody.close();
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** A verdict for each item: long records are sent by themselves, after all the others. */
  async #createEach(
    items: readonly BulkItem[],
    records: readonly LogRecord[],
    signal: AbortSignal,
  ): Promise<readonly BulkVerdict[]> {
    const [long = [], short = []] = [isLong, (record: LogRecord) => !isLong(record)].map((which) =>
      items.filter((_, at) => which(records[at] as LogRecord)),
    );
    if (long.length === 0) return await this.#createShort(items, signal);
    const verdicts = new Map<BulkItem, BulkVerdict>();
    const shortVerdicts = await this.#createShort(short, signal);
    for (const [at, item] of short.entries()) verdicts.set(item, shortVerdicts[at] as BulkVerdict);
    for (const item of long) verdicts.set(item, await this.#createLong(item, signal));
    return items.map((item) => verdicts.get(item) as BulkVerdict);
  }

  /** In smaller requests where one is too long. */
  async #createShort(items: readonly BulkItem[], signal: AbortSignal): Promise<readonly BulkVerdict[]> {
    try {
      return await this.#create(items, signal);
    } catch (error) {
      if (items.length < 2 || !(error instanceof StoreUnavailable && isRequestTooLong(error.cause))) throw error;
      const half = Math.ceil(items.length / 2);
      const first = await this.#createShort(items.slice(0, half), signal);
      return [...first, ...(await this.#createShort(items.slice(half), signal))];
    }
  }

  async #createLong(item: BulkItem, signal: AbortSignal): Promise<BulkVerdict> {
    try {
      const [verdict] = (await this.#create([item], signal)) as [BulkVerdict];
      if (verdict.kind !== 'held-back' || !this.#long.isAtFault(item.id, verdict)) return verdict;
      return { kind: 'refused', reason: `too long for Elasticsearch: ${verdict.reason}` };
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || !this.#long.isAtFault(item.id, error)) throw error;
      return { kind: 'refused', reason: `too long for Elasticsearch: ${error.message}` };
    }
  }

  async #create(items: readonly BulkItem[], signal: AbortSignal): Promise<readonly BulkVerdict[]> {
    try {
      const verdicts = await bulkCreate(this.#client, items, signal);
      if (verdicts.some(({ kind }) => kind === 'created')) this.#long.stored();
      return verdicts;
    } catch (error) {
      this.#templates.distrust();
      throw error;
    }
  }

  /** For forwarders that write past the manager. */
  async #publishSettings(): Promise<void> {
    const refusal = await this.refusePolicy(AbortSignal.timeout(REQUEST_TIMEOUT));
    if (refusal !== undefined) throw new StoreUnavailable(refusal);
    await publishSettings(this.#client, this.#settings);
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    try {
      await this.#templates.inPlace(signal);
    } catch (error) {
      throw signal.aborted || error instanceof StoreUnavailable ? error : unavailable(error);
    }
  }
}

function heldBack({ at }: BulkItem, verdict: BulkVerdict & { readonly kind: 'held-back' }): StoreUnavailable {
  return new StoreUnavailable(`${at.index}: ${verdict.reason}`, { fault: faultOf(verdict) });
}

function newClient({ url, otherUrls = [], tls }: ElasticsearchOptions, as: Pick<ElasticsearchOptions, 'auth'>): Client {
  return new Client({
    nodes: [url, ...otherUrls],
    ...as,
    ...(tls === undefined ? {} : { tls }),
    // Each other node once: the documents are known by their ids.
    maxRetries: otherUrls.length,
    requestTimeout: REQUEST_TIMEOUT,
  });
}

function documentOf({ document, added }: LogRecord, ingested: number): readonly (Buffer | string)[] {
  return [document.open, `,${added},"ingested":${ingested}}`];
}
