const FIRST = 200;
const LAST = 10_000;

/** How long to wait before something that has failed is tried again. */
export class Backoff {
  readonly #last: number;
  #ceiling = FIRST;

  /** `last` is the longest pause, in milliseconds. */
  constructor(last = LAST) {
    this.#last = last;
  }

  /**
   * Milliseconds, at least those that the other end has asked for. Full jitter, so that a fleet's forwarders do not come
   * back to their manager in step.
   */
  next(retryAfter = 0): number {
    const pause = retryAfter + this.#ceiling * Math.random();
    this.#ceiling = Math.min(this.#ceiling * 2, this.#last);
    return pause;
  }

  /** It has gone well. */
  reset(): void {
    this.#ceiling = FIRST;
  }
}
