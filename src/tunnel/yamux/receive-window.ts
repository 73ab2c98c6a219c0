import { INITIAL_WINDOW } from './frame.ts';
import type { WindowBudget } from './window-budget.ts';

/** What a session knows of the way to its peer and back. */
export interface RoundTrip {
  /** Milliseconds; undefined before the first measurement. */
  readonly shortest: number | undefined;
  /** Whether data waits on the way, in front of a slow uplink. */
  readonly queueing: boolean;
}

export const LARGEST_WINDOW = 16 * 1024 * 1024;

/** Where data queues on the way, even the initial windows of a few streams may be too much. */
export const SMALLEST_WINDOW = 32 * 1024;

/** Half a window in fewer round trips than this: the sender had to wait for us. */
const TOO_SMALL = 2;

/** Half a window in more round trips than this: the sender does not need it. Far from TOO_SMALL, lest it swing. */
const TOO_LARGE = 16;

/**
 * How much one stream's sender may have in flight, and when to tell it that it may send more.
 *
 * The window doubles as long as it is used up within a few round trips, since it alone is then what limits the sender:
 * 256 KiB at 100 ms are 2.5 MB/s. It shrinks when it is not used, and when data queues on the way: what waits there keeps
 * the peer's pings waiting too, and Guardian gives a session up after ten seconds without an answer.
 */
export class ReceiveWindow {
  readonly #budget: WindowBudget;
  readonly #roundTrip: RoundTrip;
  #size = INITIAL_WINDOW;
  /** What the sender may still send. */
  #credit = INITIAL_WINDOW;
  /** Read by the consumer since the last update. */
  #consumed = 0;
  #lastUpdate: number | undefined;

  constructor(budget: WindowBudget, roundTrip: RoundTrip) {
    this.#budget = budget;
    this.#roundTrip = roundTrip;
  }

  get size(): number {
    return this.#size;
  }

  /** Data came in. False when the sender had no right to send so much. */
  receive(bytes: number): boolean {
    if (bytes > this.#credit) return false;
    this.#credit -= bytes;
    return true;
  }

  /** The consumer took data, at `now` (milliseconds). The credit to grant; 0 while it is not worth a frame. */
  consume(bytes: number, now: number): number {
    this.#consumed += bytes;
    if (this.#consumed < this.#size / 2) return 0;
    // What is unread or in flight, and the new credit, together are the window.
    const grant = this.#consumed + this.#resize(now);
    this.#lastUpdate = now;
    this.#consumed = 0;
    this.#credit += grant;
    return grant;
  }

  /** Gives what it took of the budget back; it is not used afterwards. */
  release(): void {
    this.#budget.giveBack(Math.max(0, this.#size - INITIAL_WINDOW));
    this.#size = INITIAL_WINDOW;
  }

  /** By how much it grew, or (negative) shrank: never by more than half. */
  #resize(now: number): number {
    const { shortest, queueing } = this.#roundTrip;
    if (queueing) return this.#shrink(SMALLEST_WINDOW);
    if (this.#lastUpdate === undefined || shortest === undefined) return 0;
    // A clock's tick more, for peers on the same machine.
    const roundTrips = (now - this.#lastUpdate) / (shortest + 0.5);
    if (roundTrips > TOO_LARGE) return this.#shrink(INITIAL_WINDOW);
    return roundTrips < TOO_SMALL || this.#size < INITIAL_WINDOW ? this.#grow() : 0;
  }

  #shrink(least: number): number {
    if (this.#size <= least) return 0;
    const less = this.#size / 2;
    if (this.#size > INITIAL_WINDOW) this.#budget.giveBack(less);
    this.#size -= less;
    return -less;
  }

  #grow(): number {
    const more = this.#size;
    if (more >= LARGEST_WINDOW) return 0;
    if (more >= INITIAL_WINDOW && !this.#budget.take(more)) return 0;
    this.#size += more;
    return more;
  }
}
