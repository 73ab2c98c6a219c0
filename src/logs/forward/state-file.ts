import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf } from '../../errors.ts';
import { unusableState } from './state-lock.ts';

const DRAFT = /\.[0-9a-f-]{36}\.draft$/;
const MISSING = 'is missing';

/** Removes what saves that were interrupted have left. @throws UserError when the directory cannot be used. */
export function removeDrafts(directory: string): void {
  try {
    for (const name of readdirSync(directory)) if (DRAFT.test(name)) rmSync(join(directory, name));
  } catch (error) {
    throw unusableState(directory, error);
  }
}

/**
 * A file of the state directory that is replaced as a whole, with the version before it beside it: a crash at any moment
 * leaves this one or that one.
 */
export class StateFile {
  readonly #directory: string;
  readonly #name: string;
  readonly #ifLost: string;

  /** `name` is without its ending; `ifLost` says what it means when neither version can be read. */
  constructor(directory: string, name: string, ifLost: string) {
    this.#directory = directory;
    this.#name = name;
    this.#ifLost = ifLost;
  }

  /**
   * Hands the newest version that is in order to `take`, which throws a SyntaxError with what is wrong with it.
   * @throws UserError when the system does not let it be read.
   */
  read(take: (text: string) => void, onDamaged: (warning: string) => void): void {
    const newest = join(this.#directory, `${this.#name}.json`);
    const previous = join(this.#directory, `${this.#name}.previous.json`);
    try {
      const damage = tryReading(newest, take);
      if (damage === undefined) return;
      const alsoDamaged = tryReading(previous, take);
      if (damage === MISSING && alsoDamaged === MISSING) return;
      onDamaged(
        alsoDamaged === undefined
          ? `the ${this.#name} ${newest} ${damage}: going on from the one before it, ${previous}`
          : `the ${this.#name} ${newest} ${damage}, and ${previous} ${alsoDamaged}: ${this.#ifLost}`,
      );
    } catch (error) {
      throw unusableState(this.#directory, error);
    }
  }

  /** Resolves once it is on disk, under another name first. Not to be called again before. @throws UserError */
  async replace(content: object): Promise<void> {
    const path = join(this.#directory, `${this.#name}.json`);
    const previous = join(this.#directory, `${this.#name}.previous.json`);
    const draft = join(this.#directory, `${this.#name}.${randomUUID()}.draft`);
    try {
      await writeSynced(draft, [`${JSON.stringify(content)}\n`]);
      // By a link, so that whoever looks finds the newest at any time.
      await rm(previous, { force: true });
      await link(path, previous).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      });
      await rename(draft, path);
      await syncDirectory(this.#directory);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw unusableState(this.#directory, error);
    }
  }
}

/** A new file that only its owner can read, on disk. */
export async function writeSynced(path: string, parts: readonly (string | Buffer)[]): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for (const part of parts) await file.writeFile(part);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The names of its files are on disk. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Returns what is wrong with the file. @throws the system's error when it is there and cannot be read. */
function tryReading(path: string, take: (text: string) => void): string | undefined {
  try {
    take(readFileSync(path, 'utf8'));
    return undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return MISSING;
    if (error instanceof SyntaxError) return `is damaged (${messageOf(error)})`;
    throw error;
  }
}
