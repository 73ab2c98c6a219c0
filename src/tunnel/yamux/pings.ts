import type { PingResponder } from './config.ts';
import { FLAG } from './frame.ts';

/** Answers that may be put off at once; a peer that waits for its answers has one. */
const MOST_DELAYED = 16;

/** Milliseconds between measurements of the round trip. */
const MEASURE_INTERVAL = 1_000;

/** A round trip this much over the shortest means that data queues on the way, where pings have to wait as well. */
const QUEUEING = 300;

/** No way is this long by itself; where even the first answer took longer, it had to queue. In milliseconds. */
const LONGEST = 1_000;

/** A ping of ours that is not answered yet. */
interface Ping {
  readonly sent: number;
  readonly answered: (milliseconds: number) => void;
  readonly failed: (reason: Error) => void;
}

/** A session's pings, both ways, and what ours tell of the way to the peer. */
export class Pings {
  readonly #send: (flags: number, value: number) => void;
  readonly #answer: PingResponder;
  /** In the order they were sent. */
  readonly #waiting = new Map<number, Ping>();
  #nextValue = 1;
  #delayed = 0;
  #latest: number | undefined;
  #shortest: number | undefined;
  #lastSent = Number.NEGATIVE_INFINITY;

  constructor(send: (flags: number, value: number) => void, answer: PingResponder) {
    this.#send = send;
    this.#answer = answer;
  }

  /** The shortest round trip ever in milliseconds; undefined before the first answer. */
  get shortest(): number | undefined {
    return this.#shortest;
  }

  /** The latest round trip in milliseconds, or how long a ping has waited for its answer where that is longer. */
  get latest(): number | undefined {
    const [oldest] = this.#waiting.values();
    if (oldest === undefined) return this.#latest;
    return Math.max(this.#latest ?? 0, performance.now() - oldest.sent);
  }

  /** Whether data queues on the way, as far as pings have shown. */
  get queueing(): boolean {
    return (this.latest ?? 0) > Math.min(this.#shortest ?? LONGEST, LONGEST) + QUEUEING;
  }

  /** Resolves with the round trip in milliseconds; rejects when the session ends first. */
  async ping(): Promise<number> {
    const value = this.#nextValue;
    this.#nextValue = value === 0xffff_ffff ? 1 : value + 1;
    const sent = performance.now();
    this.#lastSent = sent;
    return await new Promise((answered, failed) => {
      this.#waiting.set(value, { sent, answered, failed });
      this.#send(FLAG.syn, value);
    });
  }

  /** Pings now and then, for those who need the round trip. To be called as often as they like. */
  measure(): void {
    if (this.#waiting.size > 0 || performance.now() - this.#lastSent < MEASURE_INTERVAL) return;
    this.ping().catch(() => undefined);
  }

  onFrame(flags: number, value: number): void {
    if ((flags & FLAG.syn) !== 0) {
      this.#onPing(value);
      return;
    }
    const ping = this.#waiting.get(value);
    if (ping === undefined) return;
    this.#waiting.delete(value);
    const took = performance.now() - ping.sent;
    this.#latest = took;
    this.#shortest = Math.min(took, this.#shortest ?? took);
    ping.answered(took);
  }

  /** The session is over. */
  fail(reason: Error): void {
    for (const { failed } of this.#waiting.values()) failed(reason);
    this.#waiting.clear();
  }

  #onPing(value: number): void {
    const { queueing } = this;
    if (queueing || this.#shortest === undefined) this.measure();
    // A ping that had to queue has used up the time there was for putting the answer off.
    if (queueing || this.#delayed >= MOST_DELAYED) {
      this.#send(FLAG.ack, value);
      return;
    }
    this.#delayed++;
    this.#answer(() => {
      this.#delayed--;
      this.#send(FLAG.ack, value);
    });
  }
}
