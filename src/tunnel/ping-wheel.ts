import type { PingResponder } from './yamux/config.ts';

/** Milliseconds that an answer is put off: Guardian gives up after 10 s, of which a full uplink may need the rest. */
const DELAY = 2_000;

/** Milliseconds between batches of answers: short, since nothing else is done meanwhile. */
const TICK = 25;

/** Answers that are given together. */
interface Batch {
  /** By `performance.now()`. */
  readonly due: number;
  readonly replies: (() => void)[];
}

/**
 * Puts the answers to pings off. Guardian pings again 100 ms after each answer, for ever: answered at once, a thousand
 * idle tunnels keep a third of a core busy and a few thousand leave no time to accept others; so they take a thirtieth.
 *
 * One timer for all sessions, since so many timers would cost as much as what they save.
 */
export class PingWheel {
  /** In the order in which they are due. */
  readonly #batches: Batch[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** How one session answers: its first ping at once, for that proves to the peer that it is served. */
  responder(): PingResponder {
    let first = true;
    return (reply) => {
      if (first) reply();
      else this.#delay(reply);
      first = false;
    };
  }

  #delay(reply: () => void): void {
    const due = performance.now() + DELAY;
    const last = this.#batches.at(-1);
    if (last !== undefined && due - last.due < TICK) last.replies.push(reply);
    else this.#batches.push({ due, replies: [reply] });
    this.#timer ??= setInterval(() => this.#answer(), TICK).unref();
  }

  /** By the clock, not by counting ticks: those that a busy process misses are not made up for. */
  #answer(): void {
    const now = performance.now();
    for (let [first] = this.#batches; first !== undefined && first.due <= now; [first] = this.#batches) {
      this.#batches.shift();
      for (const reply of first.replies) reply();
    }
    if (this.#batches.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
