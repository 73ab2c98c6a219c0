import type { FoundItem } from './log-reads.ts';

/** In which order records are printed that arrive while they are followed. */
export interface PrintingOrder {
  /** Records that were printed already, before any arrived. */
  began(items: readonly FoundItem[]): void;
  /** What to print now, of what one poll has found and what was kept; `hasMore` where the next one follows at once. */
  add(found: readonly FoundItem[], hasMore: boolean): readonly FoundItem[];
  /** What is kept. */
  rest(): readonly FoundItem[];
}

/** As they arrive. */
export class ArrivalOrder implements PrintingOrder {
  began(): void {}

  add(found: readonly FoundItem[]): readonly FoundItem[] {
    return found;
  }

  rest(): readonly FoundItem[] {
    return [];
  }
}

/**
 * By their own time. What is newer than all that came before waits for one poll, in which older records may still come;
 * what comes later than that is printed at once, behind newer ones.
 */
export class TimeOrder implements PrintingOrder {
  #kept: readonly FoundItem[] = [];
  /** The time of the newest that is printed or kept. */
  #newest = Number.NEGATIVE_INFINITY;

  began(items: readonly FoundItem[]): void {
    this.#newest = newestOf(items, this.#newest);
  }

  add(found: readonly FoundItem[], hasMore: boolean): readonly FoundItem[] {
    const newest = this.#newest;
    const isDue = (item: FoundItem) => hasMore || timeOf(item) <= newest;
    const due = [...this.#kept, ...found.filter(isDue)].sort(byTime);
    this.#kept = found.filter((item) => !isDue(item));
    this.#newest = newestOf(found, newest);
    return due;
  }

  rest(): readonly FoundItem[] {
    const rest = this.#kept.toSorted(byTime);
    this.#kept = [];
    return rest;
  }
}

function byTime(a: FoundItem, b: FoundItem): number {
  return timeOf(a) - timeOf(b) || a.item.ingested - b.item.ingested;
}

function timeOf({ item }: FoundItem): number {
  return item['@timestamp'];
}

function newestOf(items: readonly FoundItem[], before: number): number {
  return items.reduce((newest, item) => Math.max(newest, timeOf(item)), before);
}
