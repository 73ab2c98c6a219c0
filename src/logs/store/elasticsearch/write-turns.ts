import { Turns } from '../../../turns.ts';
import { StoreUnavailable } from '../log-store.ts';
import { REQUEST_TIMEOUT } from './elasticsearch-options.ts';

/** Writes under way at once: to begin with, and at most. A few keep every core of an Elasticsearch at work. */
const FIRST = 4;
const MOST = 16;

/** A write that is under way. */
export interface WriteTurn {
  /** To be called when Elasticsearch has no room for it, or for a part of it (429). */
  tooMany(): void;
}

/**
 * How many writes are under way at once: half as many once Elasticsearch has too many, and one more each time that as
 * many as there may be went well. The others wait in line.
 */
export class WriteTurns {
  readonly #patience: number;
  readonly #turns = new Turns({ atOnce: FIRST, waiting: Number.POSITIVE_INFINITY });
  /** How often there were too many. */
  #cuts = 0;
  /** Writes that went well since there may be as many as now. */
  #well = 0;

  /** `patience`: milliseconds in which it has to be a write's turn. Whoever is in front may get no answer for as long. */
  constructor(patience = REQUEST_TIMEOUT) {
    this.#patience = patience;
  }

  get atOnce(): number {
    return this.#turns.atOnce;
  }

  /** Runs `work` when it is its turn. @throws StoreUnavailable when that takes too long. */
  async take<T>(work: (turn: WriteTurn) => Promise<T>, signal: AbortSignal): Promise<T> {
    const leave = await this.#enter(signal);
    let cuts = this.#cuts;
    let isWell = true;
    try {
      const done = await work({
        tooMany: () => {
          // Of those that were under way together, one speaks for all.
          if (cuts === this.#cuts) this.#cut();
          cuts = this.#cuts;
          isWell = false;
        },
      });
      if (isWell && cuts === this.#cuts) this.#wentWell();
      return done;
    } finally {
      leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<() => void> {
    const late = AbortSignal.timeout(this.#patience);
    try {
      return await this.#turns.enter(AbortSignal.any([signal, late]));
    } catch (error) {
      if (signal.aborted) throw error;
      throw new StoreUnavailable(
        `${this.atOnce} writes are under way, and took longer than ${this.#patience / 1000} s`,
      );
    }
  }

  #cut(): void {
    this.#cuts++;
    this.#well = 0;
    this.#turns.atOnce = Math.max(1, Math.floor(this.#turns.atOnce / 2));
  }

  #wentWell(): void {
    if (++this.#well < this.#turns.atOnce) return;
    this.#well = 0;
    this.#turns.atOnce = Math.min(MOST, this.#turns.atOnce + 1);
  }
}
