import type { Writable } from 'node:stream';
import { megabytes } from './forward-report.ts';

/** Milliseconds between two looks; what is done by the second one needs no line. */
const INTERVAL = 1_000;

/** Less than that is not worth a line either. */
const LONG = 10_000_000;

/** Shows on a terminal how a long catch-up goes; nothing is written elsewhere. */
export class CatchUpProgress {
  readonly #terminal: Writable | undefined;
  readonly #left: () => number;
  readonly #timer: NodeJS.Timeout;
  #before: number | undefined;
  #shown = false;

  /** @param left how many bytes are still to be shipped. */
  constructor(out: Writable, left: () => number) {
    this.#terminal = 'isTTY' in out && out.isTTY === true ? out : undefined;
    this.#left = left;
    this.#timer = setInterval(() => this.#show(), INTERVAL);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #show(): void {
    const left = this.#left();
    const done = (this.#before ?? left) - left;
    this.#before = left;
    this.#clear();
    if (left < LONG || done <= 0) return;
    const minutes = Math.ceil(left / done / 60);
    this.#terminal?.write(`\r${megabytes(left)} left, ${megabytes(done)}/s, about ${minutes}m`);
    this.#shown = true;
  }

  #clear(): void {
    if (this.#shown) this.#terminal?.write('\r\x1b[K');
    this.#shown = false;
  }
}
