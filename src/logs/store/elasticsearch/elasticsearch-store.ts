import { type Client, errors } from '@elastic/elasticsearch';
import type { LogAggregation } from '../../query/aggregation.ts';
import type { LogQuery } from '../../query/log-query.ts';
import type { DeadLetter, LogRecord } from '../../record/record.ts';
import type { UploadSource } from '../../record/source.ts';
import { dayOf } from '../../record/time.ts';
import type { LogType } from '../../types/log-type.ts';
import {
  type CountedGroups,
  type FoundRecords,
  type LogQuestions,
  type LogStore,
  type RecordBatch,
  StoreUnavailable,
  type WriteOutcome,
} from '../log-store.ts';
import { OpenDays } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { aggregateRecords } from './aggregate.ts';
import { type BulkItem, unavailable } from './bulk.ts';
import type { BulkVerdict } from './bulk-verdict.ts';
import { BulkWriter } from './bulk-writer.ts';
import { newClient } from './client.ts';
import { DayKeeper } from './day-keeper.ts';
import { deadLetterDocument } from './dead-letter.ts';
import { type ElasticsearchOptions, REQUEST_TIMEOUT } from './elasticsearch-options.ts';
import { faultOf } from './fault.ts';
import { provokeFirstRefusal } from './first-refusal.ts';
import { IndexNames } from './index-names.ts';
import { JoinedSearches } from './joined-searches.ts';
import { MappingConflicts } from './mapping-conflicts.ts';
import { PageSizes } from './page-sizes.ts';
import { publishSettings } from './published-settings.ts';
import { ScanLimit } from './scan-limit.ts';
import { searchRecords } from './search.ts';
import { StoreReport } from './store-report.ts';
import { IndexTemplates } from './templates.ts';
import { type WriteTurn, WriteTurns } from './write-turns.ts';

const NOTHING = Buffer.alloc(0);

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
  readonly #writer: BulkWriter;
  readonly #turns = new WriteTurns();
  readonly #limit: ScanLimit;
  readonly #sizes = new PageSizes();

  /** `patience`: see LongRecords. */
  constructor(options: ElasticsearchOptions, settings: CurrentSettings, patience?: number) {
    this.#options = options;
    this.#settings = settings;
    this.#names = new IndexNames(settings);
    this.#client = newClient(options);
    this.#limit = new ScanLimit(this.#client, this.#names, options.mostScanned);
    this.#writer = new BulkWriter(this.#client, () => this.#templates.distrust(), patience);
    this.#conflicts = new MappingConflicts(this.#client);
    this.days = new DayKeeper(this.#client, settings);
    this.report = new StoreReport(this.#client, settings);
    this.#templates = new IndexTemplates(settings, {
      settings: async () => {
        await provokeFirstRefusal(this.#client);
        await this.#publishSettings();
      },
      put: (name, template) => this.#client.indices.putIndexTemplate({ name, ...template }),
    });
  }

  async write(batch: RecordBatch, signal: AbortSignal): Promise<WriteOutcome> {
    await this.#prepare(signal);
    return await this.#turns.take((turn) => this.#write(batch, turn, signal), signal);
  }

  async #write(
    { type, source: { cluster }, records }: RecordBatch,
    turn: WriteTurn,
    signal: AbortSignal,
  ): Promise<WriteOutcome> {
    const ingested = Date.now();
    const open = new OpenDays(this.#settings.value.retention, type.name, cluster, ingested);
    const refused: DeadLetter[] = [];
    const kept: LogRecord[] = [];
    for (const record of records) {
      if (open.has(record.day)) kept.push(record);
      else refused.push({ id: record.id, line: record.line, reason: open.reason(record.day) });
    }
    const items = this.#itemsOf(kept, type, cluster, ingested);
    const verdicts = await this.#writer.create(items, turn, signal);
    let stored = 0;
    const known: { readonly item: BulkItem; readonly record: LogRecord }[] = [];
    for (let at = 0; at < items.length; at++) {
      const verdict = verdicts[at] as BulkVerdict;
      if (verdict.kind === 'created') {
        stored++;
        continue;
      }
      const record = kept[at] as LogRecord;
      const item = items[at] as BulkItem;
      if (verdict.kind === 'held-back') throw heldBack(item, verdict);
      if (verdict.kind === 'known') known.push({ item, record });
      else refused.push(await this.#refusedFor(verdict.reason, type, item, record, signal));
    }
    const differing = await this.#countDiffering(known, signal);
    return { stored, known: known.length, differing, refused };
  }

  #itemsOf(records: readonly LogRecord[], type: LogType, cluster: string, ingested: number): readonly BulkItem[] {
    const end = `,"ingested":${ingested}}`;
    // Nearly all records of a batch are of one day, and most are of the same moment as the one before.
    let [day, at] = ['', this.#names.day(type, cluster, '')];
    let [before, rest] = ['', ''];
    return records.map(({ id, day: own, document: { open }, added }) => {
      if (own !== day) [day, at] = [own, this.#names.day(type, cluster, own)];
      if (added !== before) [before, rest] = [added, `,${added}${end}`];
      return { at, id, open, rest };
    });
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
      return {
        at,
        id: `${type.name}/${letter.id}`,
        open: NOTHING,
        rest: deadLetterDocument(letter, type, source, now),
      };
    });
    const verdicts = await this.#turns.take((turn) => this.#writer.create(items, turn, signal), signal);
    for (const [n, verdict] of verdicts.entries()) {
      if (verdict.kind === 'held-back') throw heldBack(items[n] as BulkItem, verdict);
      if (verdict.kind === 'refused') {
        // What we have made up ourselves is in order.
        throw new StoreUnavailable(`${at.index}: ${verdict.reason}`, { fault: 'MappingConflict' });
      }
    }
  }

  async search(query: LogQuery, signal: AbortSignal): Promise<FoundRecords> {
    return await this.together().search(query, signal);
  }

  async aggregate(asked: LogAggregation, signal: AbortSignal): Promise<CountedGroups> {
    return await this.together().aggregate(asked, signal);
  }

  together(): LogQuestions {
    const searches = new JoinedSearches(this.#client);
    return {
      search: (query, signal) => searchRecords(searches, this.#names, query, this.#limit, this.#sizes, signal),
      aggregate: (asked, signal) => aggregateRecords(searches, this.#names, asked, this.#limit, signal),
    };
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
    const { url, otherUrls = [], tls: { ca } = {} } = this.#options;
    const nobody = newClient({ url, otherUrls, ...(ca === undefined ? {} : { tls: { ca } }) });
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
