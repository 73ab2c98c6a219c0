import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../../errors.ts';
import { onDisk } from './spool-files.ts';
import { syncDirectory } from './state-file.ts';

/** Segments with frames that were damaged, for whoever wants to look at them; they take the spool's room while there is some. */
export class Quarantine {
  readonly directory: string;
  /** Oldest first, with their size on disk. */
  readonly #segments = new Map<string, number>();

  /** @throws the system's error when it cannot be used. */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(directory).sort()) {
      this.#segments.set(name, onDisk(statSync(join(directory, name)).size));
    }
  }

  get count(): number {
    return this.#segments.size;
  }

  /** On disk. */
  get bytes(): number {
    return [...this.#segments.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Moves a segment here, if there is something left of it. */
  async take(path: string, size: number): Promise<void> {
    const name = basename(path);
    try {
      await rename(path, join(this.directory, name));
      this.#segments.set(name, size);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    for (const directory of [this.directory, dirname(path)]) await syncDirectory(directory);
  }

  /** Returns how many bytes it had on disk, 0 where there was none. */
  async dropOldest(): Promise<number> {
    const [[oldest, bytes] = []] = this.#segments;
    if (oldest === undefined || bytes === undefined) return 0;
    await rm(join(this.directory, oldest), { force: true });
    this.#segments.delete(oldest);
    return bytes;
  }
}
