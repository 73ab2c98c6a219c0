import type { LogType } from '../types/log-type.ts';

const DAY = 86_400_000;

/** How far a sender's clock may be ahead of ours. */
const AHEAD = DAY / 2;

/**
 * Which times records may have. Every day of every cluster is an index of its own: a sender with a clock gone wrong, or
 * with a file of years, would fill Elasticsearch with indices that nobody looks into and that nothing deletes.
 */
export class TimeWindow {
  readonly #from: number;
  readonly #to: number;
  readonly #days: number;

  constructor({ retentionDays }: LogType, now: number) {
    this.#days = retentionDays;
    // By whole days, since whole days are deleted.
    this.#from = Math.floor(now / DAY) * DAY - retentionDays * DAY;
    this.#to = now + AHEAD;
  }

  has(time: number): boolean {
    return time >= this.#from && time <= this.#to;
  }

  /** @throws Error with the reason why a record of that time is not taken. */
  check(time: number): void {
    const when = () => new Date(time).toISOString();
    if (time > this.#to) throw new Error(`its time, ${when()}, is more than 12 hours ahead`);
    if (time < this.#from) throw new Error(`its time, ${when()}, is older than the ${this.#days} days that are kept`);
  }
}
