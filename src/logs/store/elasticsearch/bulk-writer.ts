import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, errors } from '@elastic/elasticsearch';
import { Backoff } from '../../backoff.ts';
import { StoreUnavailable } from '../log-store.ts';
import { BodyMemory } from './body-memory.ts';
import { type BulkItem, bulkCreate } from './bulk.ts';
import { type BulkVerdict, TOO_MANY } from './bulk-verdict.ts';
import { faultOf } from './fault.ts';
import { isLong, isRequestTooLong, LongRecords } from './long-records.ts';
import type { WriteTurn } from './write-turns.ts';

/** How often what Elasticsearch has no room for is sent again: in three seconds at most, besides what it takes to answer. */
const AGAIN = 4;

/** Creates documents in as many requests, one after the other, as they need. */
export class BulkWriter {
  readonly #client: Client;
  readonly #long: LongRecords;
  readonly #onFailure: () => void;
  readonly #memory = new BodyMemory();

  /** `onFailure` is told of each request that fails as a whole; `patience`: see LongRecords. */
  constructor(client: Client, onFailure: () => void, patience?: number) {
    this.#client = client;
    this.#onFailure = onFailure;
    this.#long = new LongRecords(patience);
  }

  /** A verdict for each item: long ones are sent by themselves, after all the others. @throws StoreUnavailable */
  async create(items: readonly BulkItem[], turn: WriteTurn, signal: AbortSignal): Promise<readonly BulkVerdict[]> {
    if (!items.some(isLong)) return await this.#createShort(items, turn, signal);
    const short = items.filter((item) => !isLong(item));
    const verdicts = new Map<BulkItem, BulkVerdict>();
    const shortVerdicts = await this.#createShort(short, turn, signal);
    for (const [at, item] of short.entries()) verdicts.set(item, shortVerdicts[at] as BulkVerdict);
    for (const item of items.filter(isLong)) verdicts.set(item, await this.#createLong(item, signal));
    return items.map((item) => verdicts.get(item) as BulkVerdict);
  }

  /** What there is no room for now is sent again, after a pause. */
  async #createShort(
    items: readonly BulkItem[],
    turn: WriteTurn,
    signal: AbortSignal,
  ): Promise<readonly BulkVerdict[]> {
    const verdicts = [...(await this.#createAll(items, signal))];
    const backoff = new Backoff();
    for (let again = 0; again < AGAIN; again++) {
      const left = [...verdicts.keys()].filter((at) => isTooMany(verdicts[at]));
      if (left.length === 0) break;
      turn.tooMany();
      await sleep(backoff.next(), undefined, { signal });
      const next = await this.#createAll(
        left.map((at) => items[at] as BulkItem),
        signal,
      );
      for (const [n, at] of left.entries()) verdicts[at] = next[n] as BulkVerdict;
    }
    return verdicts;
  }

  /** In smaller requests where one is too long. */
  async #createAll(items: readonly BulkItem[], signal: AbortSignal): Promise<readonly BulkVerdict[]> {
    try {
      return await this.#request(items, signal);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (isAnswer(error.cause, TOO_MANY)) {
        return items.map(() => ({ kind: 'held-back', reason: error.message, status: TOO_MANY }));
      }
      if (items.length < 2 || !isRequestTooLong(error.cause)) throw error;
      const half = Math.ceil(items.length / 2);
      const first = await this.#createAll(items.slice(0, half), signal);
      return [...first, ...(await this.#createAll(items.slice(half), signal))];
    }
  }

  async #createLong(item: BulkItem, signal: AbortSignal): Promise<BulkVerdict> {
    try {
      const [verdict] = (await this.#request([item], signal)) as [BulkVerdict];
      if (verdict.kind !== 'held-back' || !this.#long.isAtFault(item.id, verdict)) return verdict;
      return { kind: 'refused', reason: `too long for Elasticsearch: ${verdict.reason}` };
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || !this.#long.isAtFault(item.id, error)) throw error;
      return { kind: 'refused', reason: `too long for Elasticsearch: ${error.message}` };
    }
  }

  async #request(items: readonly BulkItem[], signal: AbortSignal): Promise<readonly BulkVerdict[]> {
    try {
      const verdicts = await bulkCreate(this.#client, items, this.#memory, signal);
      if (verdicts.some(({ kind }) => kind === 'created')) this.#long.stored();
      return verdicts;
    } catch (error) {
      this.#onFailure();
      throw error;
    }
  }
}

/** Not what has the same status for another reason: an index that is read-only will not have room by waiting. */
function isTooMany(verdict: BulkVerdict | undefined): boolean {
  return verdict?.kind === 'held-back' && faultOf(verdict) === 'Overloaded';
}

function isAnswer(cause: unknown, status: number): boolean {
  return cause instanceof errors.ResponseError && cause.statusCode === status;
}
