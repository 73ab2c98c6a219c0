import type { ByteRate } from './byte-rate.ts';

/** What waits for its turn. */
export interface Throttled {
  /** Passes one piece on, where it has any and somebody wants it; says whether there is more. */
  passPiece(): boolean;
}

/** Milliseconds between two batches: a timer for each piece would cost more than the pieces. */
const SHORTEST_WAIT = 10;

/**
 * Lets the streams of a session pass on what came in no faster than a rate. What waits stays within the streams' windows,
 * so that the sender has to wait as well, and everything else on the connection does not.
 */
export class Throttle {
  readonly #rate: ByteRate;
  readonly #onWait: (milliseconds: number) => void;
  /** In the order of their turns. */
  readonly #waiting = new Set<Throttled>();
  #timer: NodeJS.Timeout | undefined;

  /** `onWait` is told of each time for which something has to wait. */
  constructor(rate: ByteRate, onWait: (milliseconds: number) => void) {
    this.#rate = rate;
    this.#onWait = onWait;
  }

  /** Whether it may pass something on now. Otherwise it is asked to, piece by piece, when that may be. */
  mayPass(who: Throttled): boolean {
    if (this.#waiting.size === 0 && this.#rate.wait === 0) return true;
    this.#waiting.add(who);
    this.#wait();
    return false;
  }

  passed(bytes: number): void {
    this.#rate.spend(bytes);
  }

  forget(who: Throttled): void {
    this.#waiting.delete(who);
  }

  close(): void {
    this.#waiting.clear();
    clearTimeout(this.#timer);
  }

  #wait(): void {
    if (this.#timer !== undefined) return;
    const milliseconds = Math.max(SHORTEST_WAIT, this.#rate.wait);
    this.#onWait(milliseconds);
    this.#timer = setTimeout(() => this.#goOn(), milliseconds).unref();
  }

  #goOn(): void {
    this.#timer = undefined;
    // Who has more comes last, and so once more in this very loop.
    for (const who of this.#waiting) {
      if (this.#rate.wait > 0) break;
      this.#waiting.delete(who);
      if (who.passPiece()) this.#waiting.add(who);
    }
    if (this.#waiting.size > 0) this.#wait();
  }
}
