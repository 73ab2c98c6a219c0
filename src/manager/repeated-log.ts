import type { Logger } from 'pino';

/** Milliseconds between two lines for the same reason. */
const INTERVAL = 60_000;

/** Reasons told apart at once; what comes beyond is counted together. */
const MOST_REASONS = 500;
const OTHERS = 'other reasons';

interface Repetition {
  /** Since the last line. */
  count: number;
  details: object;
  readonly message: string;
  readonly reason: string;
}

/**
 * Warnings about what others can make happen any number of times. The first of a kind (message and reason) is a line at
 * once; those that follow are counted, and an interval later they are one line, with `count` and the details of the
 * last. So nothing goes unsaid and nobody fills the log.
 */
export class RepeatedLog {
  readonly #log: Logger;
  readonly #repetitions = new Map<string, Repetition>();
  readonly #timer: NodeJS.Timeout;

  constructor(log: Logger, interval = INTERVAL) {
    this.#log = log;
    this.#timer = setInterval(() => this.#tell(), interval).unref();
  }

  /** `reason` must not hold what differs each time: that is for `details`. */
  warn(message: string, reason: string, details: object = {}): void {
    const key = `${message}\n${reason}`;
    const known = this.#repetitions.get(key);
    if (known !== undefined) {
      known.count++;
      known.details = details;
    } else if (this.#repetitions.size < MOST_REASONS || reason === OTHERS) {
      this.#log.warn({ ...details, reason }, message);
      this.#repetitions.set(key, { count: 0, details, message, reason });
    } else {
      this.warn(message, OTHERS, details);
    }
  }

  /** Tells what was counted, and counts no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#tell();
  }

  #tell(): void {
    for (const [key, { count, details, message, reason }] of this.#repetitions) {
      if (count === 0) this.#repetitions.delete(key);
      else this.#log.warn({ ...details, reason, count }, message);
    }
    for (const repetition of this.#repetitions.values()) repetition.count = 0;
  }
}
