import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import { ConnectionError } from '../../kube/client.ts';
import { StatusError } from '../../kube/status.ts';
import { Backoff } from '../../logs/backoff.ts';
import { MAX_LIMIT } from '../../logs/query/log-query.ts';
import type { Io } from '../command.ts';
import { FollowedSource, type NewItem, Poll } from './followed-source.ts';
import { type FoundItem, LogReads } from './log-reads.ts';
import { mergeByTime } from './merge-by-time.ts';
import { ArrivalOrder, type PrintingOrder, TimeOrder } from './printing-order.ts';
import { overWords, refusePartial, Shortcomings, warningsOf } from './shortcomings.ts';
import { newTurns, type ShowOptions, showLogs, sourcesOf, write } from './shown-logs.ts';

/** Milliseconds between the end of one poll and the beginning of the next. */
const POLL_INTERVAL = 2_000;

/** Milliseconds until a request is given up: the manager gives up after 25 s, once it is its turn. */
const PATIENCE = 40_000;

/** Milliseconds before something that has failed is tried again, and more where it fails again. */
const SHORTEST_PAUSE = 500;

/** Failures in a row of which the last one is told. */
const TOLD_AT = 2;

/** Records that one poll takes; where there are more, the next one follows at once. */
const MOST_TAKEN = 20_000;

/** Records of one answer. */
const PAGE = MAX_LIMIT / 2;

export interface FollowOptions extends ShowOptions {
  /** Milliseconds since 1970: records of before are not shown, however late they arrive; undefined shows all. */
  readonly notBefore: number | undefined;
}

/**
 * Prints logs as `showLogs` does, and goes on with whatever arrives until the process ends. Each poll reads from where
 * the last one that succeeded has read everything, and again what may have become visible since; what was read already is
 * known by its id. So nothing is left out and nothing comes twice, whatever fails in between.
 *
 * @throws as showLogs does; later only what no trying again will mend
 */
export async function followLogs(options: FollowOptions, io: Io): Promise<never> {
  const follower = new Follower(options, io);
  await follower.begin();
  for (;;) await follower.poll();
}

class Follower {
  readonly #options: FollowOptions;
  readonly #io: Io;
  readonly #reads: LogReads;
  readonly #order: PrintingOrder;
  readonly #backoff = new Backoff();
  #sources: readonly FollowedSource[];
  #shortcomings = new Shortcomings();
  #isAway = false;
  #isForgetful = false;

  constructor(options: FollowOptions, io: Io) {
    const { client, clusters, asked, notBefore } = options;
    this.#options = options;
    this.#io = io;
    this.#reads = new LogReads({ client, turns: newTurns(), signal: io.signal, patience: PATIENCE });
    this.#order = asked.order === 'arrival' ? new ArrivalOrder() : new TimeOrder();
    const sources = sourcesOf(clusters, { ...asked, since: notBefore, tail: undefined }, 'arrival');
    this.#sources = FollowedSource.all(
      sources.map(({ parameters, ...source }) => ({ ...source, parameters: { ...parameters, limit: PAGE } })),
    );
  }

  /** Shows what is there already. @throws as showLogs */
  async begin(): Promise<void> {
    const { clusters, asked, strict } = this.#options;
    const io = this.#io;
    await Promise.all(this.#sources.map((source) => this.#beginWith(source)));
    const types = asked.types.map(({ type }) => type);
    this.#shortcomings.throwIfNothingIsLeft(clusters, types);
    if (strict) refusePartial(this.#shortcomings.all, io.err, io.now());
    // What is not among the newest that are asked for is not shown as if it had arrived later.
    if (asked.tail !== undefined) await Promise.all(this.#sources.map((source) => this.#skip(source)));
    if (asked.tail !== 0) {
      const shown = await showLogs(this.#options, io, (items) => {
        for (const source of this.#sources)
          this.#see(
            source,
            items.filter((item) => source.has(item)),
          );
        this.#order.began(items);
      });
      this.#shortcomings.add(shown.shortcomings.all);
    }
    for (const warning of warningsOf(this.#shortcomings.all, io.now())) io.err.write(warning);
  }

  async #beginWith(source: FollowedSource): Promise<void> {
    for await (const { asOf, shortcomings } of this.#reads.pages(source.first)) {
      this.#shortcomings.add(shortcomings);
      // Of what may not be read, only what arrives from now on is waited for.
      source.begin(asOf ?? new Date(this.#io.now()).toISOString());
      return;
    }
  }

  async #skip(source: FollowedSource): Promise<void> {
    for await (const { items } of this.#reads.pages(source.next)) this.#see(source, items);
  }

  /** Waits for its time, and prints what is new. What may pass is tried again, and told once if it has not passed by then. */
  async poll(): Promise<void> {
    let pause = POLL_INTERVAL;
    for (let attempt = 1; ; attempt++) {
      await sleep(pause, undefined, { signal: this.#io.signal });
      try {
        while (await this.#takeNew());
        break;
      } catch (error) {
        if (!mayPass(error)) throw error;
        await this.#print(this.#order.rest());
        if (attempt === TOLD_AT) this.#io.err.write(`warning: ${wordsOf(error)}; trying again\n`);
        this.#isAway = attempt >= TOLD_AT;
        pause = this.#backoff.next(retryAfter(error));
      }
    }
    if (this.#isAway) this.#io.err.write('note: logs can be read again, and what arrived meanwhile is shown\n');
    this.#isAway = false;
    this.#backoff.reset();
  }

  /** Whether there is more than was taken. */
  async #takeNew(): Promise<boolean> {
    const polls = this.#sources.map((source) => new Poll(source, this.#reads.pages(source.next)));
    const taken: NewItem[] = [];
    const found = polls.map((poll) => poll.newItems());
    for await (const item of mergeByTime(found, 'arrival')) {
      taken.push(item);
      if (taken.length === MOST_TAKEN) break;
    }
    const hasMore = taken.length === MOST_TAKEN;
    const reached = hasMore ? taken.at(-1)?.item.ingested : undefined;
    const shortcomings = new Shortcomings();
    for (const poll of polls) shortcomings.add(poll.shortcomings);
    this.#tell(shortcomings);
    const byPoll = Map.groupBy(taken, ({ poll }) => poll);
    this.#sources = polls.flatMap((poll) => {
      this.#see(poll.source, byPoll.get(poll) ?? []);
      return poll.source.after(poll, reached);
    });
    await this.#print(this.#order.add(taken, hasMore));
    return hasMore;
  }

  #see(source: FollowedSource, items: readonly FoundItem[]): void {
    if (source.see(items) || this.#isForgetful) return;
    this.#isForgetful = true;
    const reason = 'more records arrive than can be remembered for a minute';
    this.#io.err.write(`warning: ${reason}; some that become visible late may be missing\n`);
  }

  /** What is otherwise than at the last poll. */
  #tell(shortcomings: Shortcomings): void {
    const { err, now } = this.#io;
    const before = this.#shortcomings;
    const news = shortcomings.since(before);
    if (this.#options.strict) refusePartial(news, err, now());
    for (const warning of warningsOf(news, now())) err.write(warning);
    for (const over of before.since(shortcomings)) {
      const words = overWords(over);
      if (words !== undefined) err.write(`note: ${words}\n`);
    }
    // Those are told once for good.
    shortcomings.add(before.all.filter(({ kind }) => kind === 'Gap'));
    this.#shortcomings = shortcomings;
  }

  async #print(items: readonly FoundItem[]): Promise<void> {
    if (items.length > 0) await write(this.#io.out, this.#options.printer(items), this.#io.signal);
  }
}

/** Whether a failure can be over by itself, once logs were read. */
function mayPass(error: unknown): boolean {
  if (error instanceof StatusError) return error.code !== 400 && error.code !== 401;
  return error instanceof ConnectionError || isTimeout(error);
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}

/** Milliseconds that the server has asked for, or that one which asks for nothing gets. */
function retryAfter(error: unknown): number {
  const seconds = error instanceof StatusError ? error.status.details?.retryAfterSeconds : undefined;
  return seconds === undefined ? SHORTEST_PAUSE : seconds * 1000;
}

function wordsOf(error: unknown): string {
  return isTimeout(error) ? `no answer in ${PATIENCE / 1000} s` : messageOf(error).trimEnd();
}
