import type { PingResponder } from './yamux/config.ts';

/** Milliseconds that an answer is put off: Guardian gives up after 10 s, of which a full uplink may need the rest. */
const DELAY = 2_000;

/** Milliseconds between batches of answers: short, since nothing else is done meanwhile. */
const TICK = 25;

/**
 * Puts the answers to pings off. Guardian pings again 100 ms after each answer, for ever: answered at once, a thousand
 * idle tunnels keep a third of a core busy and a few thousand leave no time to accept others; so they take a thirtieth.
 *
 * One timer for all sessions, since so many timers would cost as much as what they save.
 */
export class PingWheel {
  /** What is to be said at the coming ticks; the last is what is added to. */
  #slots: (() => void)[][] = Array.from({ length: DELAY / TICK }, () => []);
  #waiting = 0;
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
    this.#slots.at(-1)?.push(reply);
    this.#waiting++;
    this.#timer ??= setInterval(() => this.#turn(), TICK).unref();
  }

  #turn(): void {
    const due = this.#slots.shift() ?? [];
    this.#slots.push([]);
    this.#waiting -= due.length;
    for (const reply of due) reply();
    if (this.#waiting > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
