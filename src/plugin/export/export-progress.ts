import type { Writable } from 'node:stream';

/** Milliseconds between two looks at a terminal, and between two lines elsewhere. */
const LOOKS = 500;
const LINES = 10_000;

/** How far an export is. */
export interface Progress {
  readonly records: number;
  /** Logs that are done with, and all of them: each is a type of a cluster. */
  readonly done: number;
  readonly logs: number;
}

/** Says how a long export goes: one line that changes on a terminal, and a line now and then elsewhere. */
export class ExportProgress {
  readonly #err: Writable;
  readonly #isTerminal: boolean;
  readonly #progress: () => Progress;
  readonly #timer: NodeJS.Timeout;
  readonly #seconds: number;
  #before: number;
  #shown = false;

  constructor(err: Writable, progress: () => Progress) {
    this.#err = err;
    this.#isTerminal = 'isTTY' in err && err.isTTY === true;
    this.#progress = progress;
    this.#before = progress().records;
    const interval = this.#isTerminal ? LOOKS : LINES;
    this.#seconds = interval / 1000;
    this.#timer = setInterval(() => this.#show(), interval);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#shown && this.#isTerminal) this.#err.write('\r\x1b[K');
  }

  #show(): void {
    const { records, done, logs } = this.#progress();
    const rate = Math.round((records - this.#before) / this.#seconds);
    this.#before = records;
    const line = `${records} records exported, ${rate}/s, ${done} of ${logs} logs done`;
    this.#err.write(this.#isTerminal ? `\r\x1b[K${line}` : `${line}\n`);
    this.#shown = true;
  }
}
