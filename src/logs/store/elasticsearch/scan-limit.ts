import type { Client, estypes } from '@elastic/elasticsearch';
import { MOST_SCANNED, scanTooWide } from '../../query/scan.ts';
import type { IndexNames } from './index-names.ts';
import { type Asked, clusterFilter, onceStarted, requestFor, timeFilters } from './request.ts';
import type { Span } from './spans.ts';

/** Milliseconds for which it is known how many records some indices have, and of how many such it is. */
const REMEMBERED = 10_000;
const MOST_REMEMBERED = 1_000;

/** Keeps what a question makes Elasticsearch look through within bounds. */
export class ScanLimit {
  /** Records that one question may be about; 0 for any number. */
  readonly mostScanned: number;
  readonly #client: Client;
  readonly #names: IndexNames;
  /** How many records there are at most where a question would be looked for, the oldest knowledge first. */
  readonly #known = new Map<string, { readonly records: number; readonly until: number }>();

  constructor(client: Client, names: IndexNames, mostScanned = MOST_SCANNED) {
    this.#client = client;
    this.#names = names;
    this.mostScanned = mostScanned;
  }

  /**
   * What comes of `work`, unless more than `most` records (undefined for any number) are of the asked clusters and the time
   * that it looks through, which is a part of what is asked for. They are counted beside it, which needs no look at any of
   * them: it is soon done where it is allowed, and its signal aborts where it is not. @throws ScanTooWide
   */
  async keep<T>(
    asked: Asked,
    looked: Span,
    most: number | undefined,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    if (most === undefined) return await work(signal);
    const stopped = new AbortController();
    const limited = AbortSignal.any([signal, stopped.signal]);
    try {
      const [done] = await Promise.all([work(limited), this.#refuse(asked, looked, most, limited)]);
      return done;
    } catch (error) {
      stopped.abort();
      throw error;
    }
  }

  async #refuse(asked: Asked, looked: Span, most: number, signal: AbortSignal): Promise<void> {
    const part = { ...asked, ...looked };
    // Until it is counted again there are not as many more.
    if ((await this.#recordsThere(part, signal)) <= most / 2) return;
    if ((await this.#recordsOf(part, signal)) <= most) return;
    throw scanTooWide(asked, await this.#recordsOf(asked, signal), most);
  }

  /** How many records of any time and cluster are in the indices, which Elasticsearch knows without counting. */
  async #recordsThere(asked: Asked, signal: AbortSignal): Promise<number> {
    const { index, routing } = requestFor(this.#names, asked);
    const where = JSON.stringify([index, routing]);
    const known = this.#known.get(where);
    if (known !== undefined && known.until > Date.now()) return known.records;
    const records = await this.#count(asked, undefined, signal);
    this.#known.delete(where);
    this.#known.set(where, { records, until: Date.now() + REMEMBERED });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return records;
  }

  /** In indices of its clusters alone, all of them are theirs. */
  async #recordsOf(asked: Asked, signal: AbortSignal): Promise<number> {
    const { index } = requestFor(this.#names, asked);
    const reachesOthers = [index ?? []].flat().some((pattern) => this.#names.reachesOthers(pattern));
    const times = timeFilters(asked);
    return await this.#count(
      asked,
      { bool: { filter: reachesOthers ? [clusterFilter(asked), ...times] : times } },
      signal,
    );
  }

  async #count(asked: Asked, query: estypes.QueryDslQueryContainer | undefined, signal: AbortSignal): Promise<number> {
    const { index, routing } = requestFor(this.#names, asked);
    const where = { ...(index === undefined ? {} : { index }), ...(routing === undefined ? {} : { routing }) };
    const request = { ...where, ignore_unavailable: true, ...(query === undefined ? {} : { query }) };
    return (await onceStarted(() => this.#client.count(request, { signal }), signal)).count;
  }
}
