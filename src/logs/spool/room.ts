import { StoreUnavailable } from '../store/log-store.ts';

/** A frame counts for so many bytes at least: each also needs some memory while it waits. */
const LEAST_CHARGE = 8192;

export function chargeOf(frameLength: number): number {
  return Math.max(frameLength, LEAST_CHARGE);
}

/**
 * The room of a spool, and what each cluster has of it. A cluster may have as much as is left free for all the others:
 * one alone half of the room, two a third each; so there is always some for one that comes new.
 */
export class Room {
  readonly #size: number;
  #used = 0;
  readonly #byCluster = new Map<string, number>();

  /** In bytes. */
  constructor(size: number) {
    this.#size = size;
  }

  get used(): number {
    return this.#used;
  }

  get free(): number {
    return this.#size - this.#used;
  }

  /** @throws StoreUnavailable when there is not that much for the cluster. */
  take(cluster: string, charge: number): void {
    const free = this.free - charge;
    if (free < 0) throw new StoreUnavailable('the spool is full', { fault: 'SpoolFull' });
    if ((this.#byCluster.get(cluster) ?? 0) + charge > free) {
      throw new StoreUnavailable("this cluster's share of the spool is full", { fault: 'SpoolFull' });
    }
    this.occupy(cluster, charge);
  }

  /** Counts what is there whether it has room or not. */
  occupy(cluster: string, charge: number): void {
    this.#used += charge;
    this.#byCluster.set(cluster, (this.#byCluster.get(cluster) ?? 0) + charge);
  }

  /** What the cluster had waits no more; the disk has it still. */
  sent(cluster: string, charge: number): void {
    const left = (this.#byCluster.get(cluster) ?? 0) - charge;
    if (left > 0) this.#byCluster.set(cluster, left);
    else this.#byCluster.delete(cluster);
  }

  /** Bytes that are on the disk without being anybody's. */
  waste(bytes: number): void {
    this.#used += bytes;
  }

  /** They are gone from the disk. */
  release(bytes: number): void {
    this.#used -= bytes;
  }
}
