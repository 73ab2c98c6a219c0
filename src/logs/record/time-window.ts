/** How far a sender's clock may be ahead of ours: milliseconds. */
const AHEAD = 43_200_000;

/**
 * Which times records may have: a sender with a clock gone wrong would fill the store with days that are still to come.
 * How old a record may be is the store's to say.
 */
export class TimeWindow {
  /** The last moment of it. */
  readonly to: number;

  constructor(now: number) {
    this.to = now + AHEAD;
  }

  has(time: number): boolean {
    return time <= this.to;
  }

  /** @throws Error with the reason why a record of that time is not taken. */
  check(time: number): void {
    if (this.has(time)) return;
    throw new Error(`its time, ${new Date(time).toISOString()}, is more than 12 hours ahead`);
  }
}
