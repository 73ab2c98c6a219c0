import type { Shortcoming } from '../../logs/query/shortcoming.ts';
import type { FoundItem, LogSource, Page } from './log-reads.ts';
import { SeenRecords } from './seen-records.ts';

/**
 * Milliseconds of arrival that each poll reads again. What arrives is stamped before it is written: a write may take 30
 * seconds, and it takes another one or two until it is found.
 */
const OVERLAP = 60_000;

/** Records whose ids are remembered, of all sources together: a minute's. */
const MOST_SEEN = 400_000;

/** A record that was not seen before, and the poll that has found it. */
export interface NewItem extends FoundItem {
  readonly poll: Poll;
}

/** Logs that are followed: what was read of them, by when it was stored. */
export class FollowedSource {
  readonly #source: LogSource;
  readonly #seen: SeenRecords;
  /** Milliseconds since 1970 by the manager's clock: all that was stored before has been read. */
  #from: number;

  private constructor(source: LogSource, seen: SeenRecords, from: number) {
    this.#source = source;
    this.#seen = seen;
    this.#from = from;
  }

  static all(sources: readonly LogSource[]): FollowedSource[] {
    const most = Math.floor(MOST_SEEN / sources.length);
    return sources.map((source) => new FollowedSource(source, new SeenRecords(most), 0));
  }

  /** The newest record at most: only to learn what time it is, and what may be read. */
  get first(): LogSource {
    const { parameters, ...source } = this.#source;
    return { ...source, parameters: { ...parameters, filter: undefined, order: 'desc', limit: 1 } };
  }

  /** What the next poll reads. */
  get next(): LogSource {
    const { parameters, ...source } = this.#source;
    return { ...source, parameters: { ...parameters, arrivedSince: Math.max(this.#from, this.#seen.floor) } };
  }

  /** What is not stored by then, by the manager's clock (RFC 3339), is to be followed. */
  begin(asOf: string): void {
    this.#from = Date.parse(asOf) - OVERLAP;
  }

  has({ cluster, type }: FoundItem): boolean {
    return type === this.#source.type && this.#source.clusters.includes(cluster);
  }

  hasSeen(item: FoundItem): boolean {
    return this.#seen.has(item);
  }

  /** Whether all can be remembered that are read again. */
  see(items: readonly FoundItem[]): boolean {
    const again = items.filter(({ item }) => item.ingested >= this.#from);
    return again.map((item) => this.#seen.add(item)).every((hasRoom) => hasRoom);
  }

  /**
   * What to follow after a poll that has succeeded, of which nothing was taken that was stored after `reached`. Clusters
   * that were refused are followed by themselves, from where they could last be read: so nothing is missing once they can
   * be again.
   */
  after({ asOf, shortcomings }: Poll, reached = Number.POSITIVE_INFINITY): readonly FollowedSource[] {
    if (asOf === undefined) return [this];
    const { clusters, ...rest } = this.#source;
    const refused = shortcomings.flatMap(({ kind, cluster }) => (kind === 'Refused' ? [cluster] : []));
    const left = new FollowedSource({ ...rest, clusters: refused }, this.#seen.split(refused), this.#from);
    const from = Math.max(this.#from, Math.min(Date.parse(asOf) - OVERLAP, reached));
    this.#seen.forget(from);
    const others = clusters.filter((cluster) => !refused.includes(cluster));
    const followed = new FollowedSource({ ...rest, clusters: others }, this.#seen, from);
    return refused.length === 0 ? [followed] : [followed, left];
  }
}

/** One reading of what is new in a source. */
export class Poll {
  readonly source: FollowedSource;
  readonly #pages: AsyncIterable<Page>;
  readonly shortcomings: Shortcoming[] = [];
  /** See LogList; undefined where nothing may be read. */
  asOf: string | undefined;

  constructor(source: FollowedSource, pages: AsyncIterable<Page>) {
    this.source = source;
    this.#pages = pages;
  }

  async *newItems(): AsyncGenerator<{ readonly items: readonly NewItem[] }, void, void> {
    for await (const { asOf, shortcomings, items } of this.#pages) {
      // The first page is the oldest knowledge.
      this.asOf ??= asOf;
      this.shortcomings.push(...shortcomings);
      const unseen = items.filter((item) => !this.source.hasSeen(item));
      yield { items: unseen.map((item) => ({ ...item, poll: this })) };
    }
  }
}
