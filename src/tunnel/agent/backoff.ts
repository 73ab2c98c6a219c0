/** Milliseconds: what the first pause is drawn from, and what it grows to. */
const FIRST = 500;
const LAST = 30_000;

/** Milliseconds that a session must have lasted to be no failure. */
const STEADY = 10_000;

/** How long to wait before dialling again, so that a fleet does not come back all at once, and again, and again. */
export class Backoff {
  #most = FIRST;

  /** Milliseconds, drawn between none and a bound that doubles with each failure; `lasted` is how long the session did. */
  after(lasted: number): number {
    this.#most = lasted > STEADY ? FIRST : Math.min(this.#most * 2, LAST);
    return Math.random() * this.#most;
  }
}
