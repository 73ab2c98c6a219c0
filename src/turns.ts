import { untilAborted } from './until-aborted.ts';

/** There are more waiting already than can be served soon. */
export class TooManyWaiting extends Error {
  override readonly name = 'TooManyWaiting';
}

/** Lets so many pieces of work run at once, and so many more wait, in the order in which they came. */
export class Turns {
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #atOnce: number;
  /** Less than 0 while more run than may since there may be fewer. */
  #free: number;

  constructor(options: { readonly atOnce: number; readonly waiting: number }) {
    this.#atOnce = options.atOnce;
    this.#free = options.atOnce;
    this.#mostWaiting = options.waiting;
  }

  /** How many may run at once. What runs already goes on. */
  get atOnce(): number {
    return this.#atOnce;
  }

  set atOnce(count: number) {
    this.#free += count - this.#atOnce;
    this.#atOnce = count;
    while (this.#free > 0 && this.#waiting.length > 0) {
      this.#free--;
      this.#waiting.shift()?.();
    }
  }

  /** Runs `work` when it is its turn. @throws TooManyWaiting */
  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const leave = await this.enter(signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** The same for work that ends elsewhere: resolves when it is its turn, with what ends it. @throws TooManyWaiting */
  async enter(signal: AbortSignal): Promise<() => void> {
    await this.#turn(signal);
    return () => this.#pass();
  }

  /** Gives a turn that has ended to the next in line, so that nobody who comes meanwhile has it as well. */
  #pass(): void {
    const next = this.#free < 0 ? undefined : this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    if (this.#waiting.length >= this.#mostWaiting) throw new TooManyWaiting(`${this.#mostWaiting} are waiting already`);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    try {
      await untilAborted(promise, signal);
    } catch (error) {
      const at = this.#waiting.indexOf(resolve);
      // Called already: then the turn was ours, and goes on to the next in line.
      if (at === -1) this.#pass();
      else this.#waiting.splice(at, 1);
      throw error;
    }
  }
}
