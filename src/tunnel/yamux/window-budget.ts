/**
 * Bytes of receive window that may be granted beyond what every stream has: a bound on what senders can make us hold.
 * A budget may be part of a larger one (a session's of the process's), which then has to agree.
 */
export class WindowBudget {
  readonly #limit: number;
  readonly #parent: WindowBudget | undefined;
  #taken = 0;

  constructor(limit: number, parent?: WindowBudget) {
    this.#limit = limit;
    this.#parent = parent;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes bytes out of the budget if they are there. */
  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#limit) return false;
    if (this.#parent !== undefined && !this.#parent.take(bytes)) return false;
    this.#taken += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#taken -= bytes;
    this.#parent?.giveBack(bytes);
  }
}
