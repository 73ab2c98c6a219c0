import { globSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { messageOf, UserError } from '../../errors.ts';
import { ChangeWatcher } from './change-watcher.ts';
import { type ForwardOptions, withCrossing } from './crossing.ts';
import { FileFollower, type FollowEnd } from './file-follower.ts';
import { Heartbeat } from './heartbeat.ts';
import { InputOpener, type OpenInput } from './open-inputs.ts';
import type { Crossing } from './passage.ts';
import { findByInode } from './rotation.ts';
import { SpoolShipper } from './spool-shipper.ts';
import { type FollowEvents, ForwardSummary } from './summary.ts';

export type FollowOptions = ForwardOptions & {
  readonly events: FollowEvents;
  /** Milliseconds without a new line after which a file that was rotated away is finished. */
  readonly quiet: number;
};

/** Milliseconds for what is under way when it is asked to end. */
const DRAIN = 5_000;

/** Milliseconds after which a new file that begins like another is no copy that is still being made. */
const COPYING = 2_000;

/** Milliseconds for which a file may be missing while it is rotated, without a word. */
const MISSING = 10_000;

/** Milliseconds after which positions of files that nobody writes to are saved again, so that they are not dropped. */
const KEEP = 3_600_000;

/**
 * Ships files as they are written, until `signal` aborts: then what is under way is acknowledged, or given up soon.
 * Whatever goes wrong with the manager or a file is said, and tried again.
 *
 * @throws UserError when the state directory is in use or cannot be read.
 */
export async function follow(options: FollowOptions): Promise<void> {
  const stop = options.signal;
  const giveUp = new AbortController();
  const drain = () => setTimeout(() => giveUp.abort(), DRAIN).unref();
  stop.addEventListener('abort', drain, { once: true });
  const summary = new ForwardSummary();
  await withCrossing(
    { ...options, summary, stop, signal: giveUp.signal, insist: false, halve: false },
    async (crossing) => await new Following(options, crossing).run(),
  );
}

/** The files that are followed, and who comes and goes. */
class Following {
  readonly #options: FollowOptions;
  readonly #crossing: Crossing;
  readonly #opener: InputOpener;
  readonly #watcher = new ChangeWatcher();
  readonly #heartbeat: Heartbeat;
  readonly #followers = new Map<OpenInput, FileFollower>();
  readonly #running = new Set<Promise<void>>();
  /** Those that were ended since the last look. */
  #ended: [FileFollower, FollowEnd][] = [];
  /** What cannot be read, since when, and whether that was said. */
  #unreadable = new Map<string, { readonly since: number; said: boolean }>();
  #kept = performance.now();

  constructor(options: FollowOptions, crossing: Crossing) {
    this.#options = options;
    this.#crossing = crossing;
    this.#opener = new InputOpener({ ...crossing, copying: COPYING });
    // Also of what has no file yet, that is said.
    for (const { type } of options.inputs) crossing.summary.of(type);
    this.#heartbeat = new Heartbeat(crossing.summary, options.events);
  }

  async run(): Promise<void> {
    const { stop, metrics } = this.#crossing;
    const failure = Promise.withResolvers<never>();
    failure.promise.catch(() => undefined);
    metrics?.follow(() => this.#lags());
    this.#keepRunning(new SpoolShipper(this.#crossing).run(), failure.reject);
    try {
      while (!stop.aborted) {
        await this.#look(failure.reject);
        this.#heartbeat.beat(this.#lags());
        await Promise.race([this.#watcher.next(stop).catch(() => undefined), failure.promise]);
      }
      await Promise.race([Promise.all(this.#running), failure.promise]);
      await this.#save();
    } finally {
      this.#watcher.close();
      for (const { file } of this.#opener.opened) await file.close();
    }
  }

  #lags() {
    return [...this.#followers.values()].map(({ lag }) => lag);
  }

  async #look(fail: (error: unknown) => void): Promise<void> {
    const { inputs, events } = this.#options;
    for (const [follower, end] of this.#ended.splice(0)) await this.#leave(follower, end);
    const found = new ForwardSummary();
    await this.#opener.open(inputs, found);
    for (const text of found.incomplete) events.error(text);
    this.#tellUnreadable(found.unreadable);
    const fresh = this.#opener.opened.filter((open) => !this.#followers.has(open));
    for (const open of fresh) this.#start(open, fail);
    if (fresh.length > 0 || performance.now() - this.#kept > KEEP) await this.#save();
    for (const [open, follower] of this.#followers) follower.sighted(this.#opener.changeOf(open));
    for (const { path } of inputs) for (const directory of directoriesOf(path)) this.#watcher.watch(directory);
    for (const { file } of fresh) this.#watcher.watch(dirname(realpath(file.path)));
  }

  #start(open: OpenInput, fail: (error: unknown) => void): void {
    const follower = new FileFollower(open, this.#crossing, this.#options.quiet);
    this.#followers.set(open, follower);
    const running = follower.run().then((end) => {
      if (end !== 'stopped') this.#ended.push([follower, end]);
      this.#watcher.poke();
    });
    this.#keepRunning(running, fail);
  }

  #keepRunning(work: Promise<void>, fail: (error: unknown) => void): void {
    const running = work.catch(fail);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Its position is left for as long as the file is somewhere, so that nobody takes it for new. */
  async #leave({ input, position }: FileFollower, end: FollowEnd): Promise<void> {
    const { checkpoint } = this.#crossing;
    const { file } = input;
    this.#followers.delete(input);
    this.#opener.release(input, end === 'changed' ? position : undefined);
    await file.close();
    if (end === 'changed') return;
    const path = await findByInode(position);
    if (path !== undefined) await this.#trySaving(() => checkpoint.advance({ ...position, path }));
    else checkpoint.forget(position);
    const { unfinished } = file;
    if (unfinished > 0) {
      this.#options.events.warning(
        `${file.path}: ended with ${unfinished} bytes of a line without its end, which were not shipped`,
      );
    }
  }

  async #save(): Promise<void> {
    this.#kept = performance.now();
    const positions = [...this.#followers.values()].map(({ position }) => position);
    await this.#trySaving(() => this.#crossing.checkpoint.advance(...positions));
  }

  /** Without it more is sent again after a crash, but nothing is lost. */
  async #trySaving(save: () => Promise<void>): Promise<void> {
    try {
      await save();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#options.events.error(messageOf(error));
    }
  }

  #tellUnreadable(texts: readonly string[]): void {
    const now = performance.now();
    const before = this.#unreadable;
    this.#unreadable = new Map(texts.map((text) => [text, before.get(text) ?? { since: now, said: false }]));
    for (const [text, state] of this.#unreadable) {
      if (state.said || now - state.since < MISSING) continue;
      state.said = true;
      this.#options.events.error(text);
    }
  }
}

/** The directories in which an input's files come and go. */
function directoriesOf(input: string): readonly string[] {
  const directory = dirname(resolve(input));
  return /[*?[]/.test(directory) ? globSync(directory) : [directory];
}

function realpath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
