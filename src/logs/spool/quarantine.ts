import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { codeOf } from '../../errors.ts';
import type { Segment } from './segment.ts';

/** Damaged bytes are kept in pieces of this many. */
const PIECE = 16 * 1024 * 1024;

/** Where bytes of a spool are kept that can no longer be read, for somebody to look at. Bounded: what is more is let go. */
export class Quarantine {
  readonly directory: string;
  readonly #size: number;
  #used: number;

  private constructor(directory: string, size: number, used: number) {
    this.directory = directory;
    this.#size = size;
    this.#used = used;
  }

  /** `size` in bytes. */
  static async open(directory: string, size: number): Promise<Quarantine> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = await readdir(directory);
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
    return new Quarantine(
      directory,
      size,
      sizes.reduce((sum, one) => sum + one, 0),
    );
  }

  /** Keeps bytes of a segment. Resolves with false when they have been kept before. @throws Error when they cannot be. */
  async keep(segment: Segment, at: number, length: number): Promise<boolean> {
    for (let from = at; from < at + length; from += PIECE) {
      const piece = Math.min(PIECE, at + length - from);
      if (this.#used + piece > this.#size) throw new Error('the quarantine is full');
      const path = join(this.directory, `${basename(segment.path)}.${from}`);
      try {
        await writeFile(path, await segment.read(from, piece), { flag: 'wx', mode: 0o600 });
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      }
      this.#used += piece;
    }
    return true;
  }
}
