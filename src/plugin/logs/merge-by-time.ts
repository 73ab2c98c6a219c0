import type { Order } from '../../logs/query/log-query.ts';

/** Something with times, in milliseconds since 1970: its own, and when it was stored. */
export interface Timed {
  readonly item: { readonly '@timestamp': number; readonly ingested: number };
}

/**
 * The items of several sources, each of which gives pages of them in `order` already, as one list in that order. Of one
 * time, those of the first source come first in ascending order and last in descending, so that one is the other
 * reversed. All sources are asked for their first page at once.
 */
export async function* mergeByTime<T extends Timed>(
  sources: readonly AsyncIterator<{ readonly items: readonly T[] }>[],
  order: Order,
): AsyncGenerator<T, void, void> {
  const heads = sources.map((source) => new Head(source));
  const ordered = order === 'desc' ? heads.toReversed() : heads;
  const sign = order === 'desc' ? -1 : 1;
  const timeOf = ({ item }: T) => (order === 'arrival' ? item.ingested : item['@timestamp']);
  await Promise.all(heads.map((head) => head.fill()));
  for (;;) {
    let first: Head<T> | undefined;
    for (const head of ordered) {
      if (
        head.item !== undefined &&
        (first?.item === undefined || sign * (timeOf(head.item) - timeOf(first.item)) < 0)
      ) {
        first = head;
      }
    }
    if (first?.item === undefined) return;
    yield first.item;
    await first.advance();
  }
}

/** The next item of a source. */
class Head<T> {
  readonly #source: AsyncIterator<{ readonly items: readonly T[] }>;
  #page: readonly T[] = [];
  #next = 0;
  #ended = false;

  constructor(source: AsyncIterator<{ readonly items: readonly T[] }>) {
    this.#source = source;
  }

  /** undefined behind the last one. */
  get item(): T | undefined {
    return this.#page[this.#next];
  }

  async advance(): Promise<void> {
    this.#next++;
    await this.fill();
  }

  /** Has the next page read where this one is at its end; one may be empty. */
  async fill(): Promise<void> {
    while (this.#next >= this.#page.length && !this.#ended) {
      const { value, done } = await this.#source.next();
      this.#ended = done === true;
      this.#page = done === true ? [] : value.items;
      this.#next = 0;
    }
  }
}
