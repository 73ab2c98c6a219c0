import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { untilAborted } from '../../until-aborted.ts';

/** Milliseconds after which everything is looked at anyhow: some file systems tell nothing, and directories come and go. */
const POLL = 1_000;

/** Milliseconds in which changes are gathered, so that a busy writer makes few large uploads and not many small ones. */
const GATHER = 100;

/** The kernel's watches are few, and are everybody's on the node. */
const MOST_DIRECTORIES = 64;

/** Says when it is time to look at files again. */
export class ChangeWatcher {
  readonly #watchers = new Map<string, FSWatcher>();
  #change = Promise.withResolvers<void>();

  /** Looks at what happens in a directory, if that can be done. */
  watch(directory: string): void {
    if (this.#watchers.has(directory) || this.#watchers.size >= MOST_DIRECTORIES) return;
    try {
      const watcher = watch(directory, { persistent: false }, () => this.poke());
      watcher.on('error', () => this.#forget(directory));
      this.#watchers.set(directory, watcher);
    } catch {
      // It is not there yet, or there are too many watches: the files are looked at every POLL all the same.
    }
  }

  /** Something has changed. */
  poke(): void {
    this.#change.resolve();
  }

  /** Resolves when something has changed, or might have. @throws what `signal` was aborted with. */
  async next(signal: AbortSignal): Promise<void> {
    const poll = setTimeout(() => this.poke(), POLL);
    try {
      await untilAborted(this.#change.promise, signal);
    } finally {
      clearTimeout(poll);
    }
    await sleep(GATHER, undefined, { signal });
    this.#change = Promise.withResolvers();
  }

  close(): void {
    for (const directory of this.#watchers.keys()) this.#forget(directory);
  }

  #forget(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }
}
