import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { codeOf, messageOf } from '../../errors.ts';
import type { Segment } from './segment.ts';

/** Damaged bytes are kept in pieces of this many. */
const PIECE = 16 * 1024 * 1024;

/** Bytes of a spool that are not as they were written. */
export interface Damage {
  readonly bytes: number;
  /** How many records are lost with them; undefined where that cannot be known. */
  readonly records: number | undefined;
  /** The folder where the bytes are kept now, or why they are not. */
  readonly kept: string;
}

export interface QuarantineOptions {
  readonly directory: string;
  /** Bytes that all its files may have together. */
  readonly size: number;
  readonly onDamage: (damage: Damage) => void;
}

/** Where bytes of a spool are kept that can no longer be read, for somebody to look at. Bounded: what is more is let go. */
export class Quarantine {
  readonly #directory: string;
  readonly #size: number;
  readonly #onDamage: (damage: Damage) => void;
  #used: number;

  private constructor({ directory, size, onDamage }: QuarantineOptions, used: number) {
    this.#directory = directory;
    this.#size = size;
    this.#onDamage = onDamage;
    this.#used = used;
  }

  static async open(options: QuarantineOptions): Promise<Quarantine> {
    const { directory } = options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = await readdir(directory);
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
    return new Quarantine(
      options,
      sizes.reduce((sum, one) => sum + one, 0),
    );
  }

  /** Keeps bytes of a segment, and tells of them; those that have been kept before are no news. */
  async take(segment: Segment, at: number, bytes: number, records: number | undefined): Promise<void> {
    try {
      if (await this.#keep(segment, at, bytes)) this.#onDamage({ bytes, records, kept: this.#directory });
    } catch (error) {
      this.#onDamage({ bytes, records, kept: messageOf(error) });
    }
  }

  /** Resolves with false when they have been kept before. @throws Error when they cannot be. */
  async #keep(segment: Segment, at: number, length: number): Promise<boolean> {
    for (let from = at; from < at + length; from += PIECE) {
      const piece = Math.min(PIECE, at + length - from);
      if (this.#used + piece > this.#size) throw new Error('the quarantine is full');
      const path = join(this.#directory, `${basename(segment.path)}.${from}`);
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
