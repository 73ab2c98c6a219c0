import type { FileLag } from './file-follower.ts';
import type { FollowEvents, ForwardSummary, TypeSummary } from './summary.ts';

/** Milliseconds. */
const INTERVAL = 60_000;

/** Says each minute what was shipped since, for each type: no data is not the same as no forwarder. */
export class Heartbeat {
  readonly #summary: ForwardSummary;
  readonly #events: FollowEvents;
  readonly #interval: number;
  readonly #before = new Map<string, TypeSummary>();
  #next: number;

  constructor(summary: ForwardSummary, events: FollowEvents, interval = INTERVAL) {
    this.#summary = summary;
    this.#events = events;
    this.#interval = interval;
    this.#next = performance.now() + interval;
  }

  /** Says it when it is time. */
  beat(lags: readonly FileLag[]): void {
    if (performance.now() < this.#next) return;
    this.#next = performance.now() + this.#interval;
    for (const counts of this.#summary.types) {
      const { label } = counts.type;
      const before = this.#before.get(label);
      this.#before.set(label, { ...counts });
      const own = lags.filter(({ type }) => type === counts.type);
      this.#events.heartbeat({
        type: label,
        shipped: counts.shipped - (before?.shipped ?? 0),
        known: counts.known - (before?.known ?? 0),
        setAside: counts.setAside - (before?.setAside ?? 0),
        bytes: counts.bytes - (before?.bytes ?? 0),
        files: own.length,
        lagBytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
        lagSeconds: Math.round(Math.max(0, ...own.map(({ seconds }) => seconds))),
      });
    }
  }
}
