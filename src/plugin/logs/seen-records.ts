import type { FoundItem } from './log-reads.ts';

/** Which records were read already, of the arrival that is read again; so many of them at most. */
export class SeenRecords {
  readonly #most: number;
  /** By cluster and id, when they were stored. */
  readonly #byCluster = new Map<string, Map<string, number>>();
  #size = 0;
  #floor = Number.NEGATIVE_INFINITY;

  constructor(most: number) {
    this.#most = most;
  }

  /** Milliseconds since 1970: what was stored before is known no more, and must not be read again. */
  get floor(): number {
    return this.#floor;
  }

  has({ cluster, item }: FoundItem): boolean {
    return this.#byCluster.get(cluster)?.has(item.log_id) ?? false;
  }

  /** Whether there was room; where there was not, the half that was stored first is forgotten. */
  add({ cluster, item }: FoundItem): boolean {
    const own = this.#byCluster.get(cluster) ?? new Map<string, number>();
    this.#byCluster.set(cluster, own);
    if (!own.has(item.log_id)) this.#size++;
    own.set(item.log_id, item.ingested);
    if (this.#size <= this.#most) return true;
    const times = [...this.#byCluster.values()].flatMap((ids) => [...ids.values()]).sort((a, b) => a - b);
    this.#floor = (times[Math.floor(times.length / 2)] ?? 0) + 1;
    this.forget(this.#floor);
    return false;
  }

  /** Those that were stored before that are not read again. */
  forget(before: number): void {
    for (const [cluster, ids] of this.#byCluster) {
      for (const [id, ingested] of ids) {
        if (ingested < before && ids.delete(id)) this.#size--;
      }
      if (ids.size === 0) this.#byCluster.delete(cluster);
    }
  }

  /** Takes those of some clusters out. */
  split(clusters: readonly string[]): SeenRecords {
    const taken = new SeenRecords(this.#most);
    taken.#floor = this.#floor;
    for (const cluster of clusters) {
      const ids = this.#byCluster.get(cluster);
      if (ids === undefined) continue;
      this.#byCluster.delete(cluster);
      this.#size -= ids.size;
      taken.#byCluster.set(cluster, ids);
      taken.#size += ids.size;
    }
    return taken;
  }
}
