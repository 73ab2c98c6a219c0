import type { Random } from '../../../fixtures/random.ts';

/** Deals kinds of faults, each as often as any other, in an order that the seed decides. */
export class FaultDeck {
  readonly #kinds: readonly string[];
  readonly #random: Random;
  #rate: number;
  #cards: string[] = [];
  readonly #dealt: Record<string, number>;

  /** @param rate which part of what happens gets a fault. */
  constructor(kinds: readonly string[], random: Random, rate = 1) {
    this.#kinds = kinds;
    this.#random = random;
    this.#rate = rate;
    this.#dealt = Object.fromEntries(kinds.map((kind) => [kind, 0]));
  }

  /** How often each was dealt. */
  get dealt(): Readonly<Record<string, number>> {
    return this.#dealt;
  }

  /** A kind; undefined where nothing goes wrong. */
  next(): string | undefined {
    if (!this.#random.chance(this.#rate)) return undefined;
    if (this.#cards.length === 0) this.#cards = [...this.#kinds];
    const [kind = ''] = this.#cards.splice(this.#random.between(0, this.#cards.length - 1), 1);
    this.#dealt[kind] = (this.#dealt[kind] ?? 0) + 1;
    return kind;
  }

  /** Nothing goes wrong any more. */
  stop(): void {
    this.#rate = 0;
  }
}
