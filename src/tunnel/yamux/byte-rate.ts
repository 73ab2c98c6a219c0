/** How many bytes may pass a second. After a pause a second's worth passes at once. */
export class ByteRate {
  readonly #perSecond: number;
  /** Below 0 for what has passed too soon. */
  #left: number;
  #looked = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
  }

  /** Milliseconds until bytes may pass; 0 where they may now. */
  get wait(): number {
    const now = performance.now();
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#looked) / 1000) * this.#perSecond);
    this.#looked = now;
    return this.#left > 0 ? 0 : (-this.#left / this.#perSecond) * 1000;
  }

  /** They have passed, even if that was too soon: others then wait for longer. */
  spend(bytes: number): void {
    this.#left -= bytes;
  }
}
