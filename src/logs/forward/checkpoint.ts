import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf } from '../../errors.ts';
import type { LogTypeName } from '../types/log-type.ts';
import type { FilePlace } from './log-file.ts';
import { unusableState } from './state-lock.ts';

/** How far into one file everything has been acknowledged. */
export interface Position extends FilePlace {
  /** Who acknowledged it: what one manager has, another has not, nor has the same one for another cluster. */
  readonly destination: string;
  readonly type: LogTypeName;
  readonly fileKey: string;
  /** Tell files apart that begin with the same line; see LogFile. */
  readonly device: string;
  readonly inode: string;
  /** Bytes that were in the file when it was last opened. */
  readonly size: number;
  /** Where the file was then. */
  readonly path: string;
  /** The path or pattern that it was found by, or that it was rotated away from. */
  readonly input: string;
  /** RFC 3339, of when it was last opened or read. */
  readonly updated: string;
}

const FILE = 'checkpoint.json';
const PREVIOUS = 'checkpoint.previous.json';
const DRAFT = /^checkpoint\.[0-9a-f-]{36}\.draft$/;
const VERSION = 2;

/** Positions of files that nobody has seen for so long are dropped: rotated away, or deleted. */
const FORGET_AFTER = 30 * 86_400_000;

/**
 * A forwarder's memory of what is done. Only acknowledged bytes ever get in, and every save is on disk before the next
 * batch is acknowledged. To lose it costs work but no record: ids come from the place in the file, so what is sent
 * again is recognized. Belongs to whoever holds the directory's StateLock.
 */
export class Checkpoint {
  readonly #directory: string;
  readonly #positions = new Map<string, Position>();
  /** Keys of those that come from an earlier run, and that this one has not seen yet. */
  readonly #unseen = new Set<string>();
  #saving: Promise<void> = Promise.resolve();
  /** A save that has not begun yet: whoever comes until then is part of it. */
  #nextSave: Promise<void> | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param onDamaged told when the checkpoint cannot be read, and what is done instead.
   * @throws UserError when the directory cannot be used.
   */
  static load(directory: string, onDamaged: (warning: string) => void): Checkpoint {
    try {
      for (const name of readdirSync(directory)) if (DRAFT.test(name)) rmSync(join(directory, name));
    } catch (error) {
      throw unusableState(directory, error);
    }
    return Checkpoint.peek(directory, onDamaged);
  }

  /** The same for those who only look: nothing is touched, whoever holds the lock, and the directory may be missing. */
  static peek(directory: string, onDamaged: (warning: string) => void): Checkpoint {
    const checkpoint = new Checkpoint(directory);
    try {
      checkpoint.#readNewest(onDamaged);
    } catch (error) {
      throw unusableState(directory, error);
    }
    return checkpoint;
  }

  /** Positions that were recorded for a destination. */
  of(destination: string): readonly Position[] {
    return [...this.#positions.values()].filter((position) => position.destination === destination);
  }

  /**
   * Everything before each position's offset is acknowledged. Resolves once that is on disk: what several files ask for
   * while a save is under way becomes one save behind it.
   * @throws UserError when it cannot be saved.
   */
  async advance(...positions: readonly Position[]): Promise<void> {
    for (const position of positions) {
      const key = keyOf(position);
      this.#positions.set(key, position);
      this.#unseen.delete(key);
    }
    this.#nextSave ??= this.#saveBehind(this.#saving);
    await this.#nextSave;
  }

  /** The next save leaves it out. */
  forget(position: Position): void {
    this.#positions.delete(keyOf(position));
  }

  #readNewest(onDamaged: (warning: string) => void): void {
    const newest = join(this.#directory, FILE);
    const previous = join(this.#directory, PREVIOUS);
    const damage = this.#read(newest);
    if (damage === undefined) return;
    const alsoDamaged = this.#read(previous);
    if (damage === MISSING && alsoDamaged === MISSING) return;
    onDamaged(
      alsoDamaged === undefined
        ? `the checkpoint ${newest} ${damage}: going on from the one before it, ${previous}`
        : `the checkpoint ${newest} ${damage}, and ${previous} ${alsoDamaged}: everything is sent again (nothing gets stored twice)`,
    );
  }

  /** Returns what is wrong with the file. @throws the system's error when it is there and cannot be read. */
  #read(path: string): string | undefined {
    let positions: readonly Position[];
    try {
      positions = parseCheckpoint(readFileSync(path, 'utf8'));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return MISSING;
      if (error instanceof SyntaxError) return `is damaged (${messageOf(error)})`;
      throw error;
    }
    for (const position of positions) {
      const key = keyOf(position);
      this.#positions.set(key, position);
      this.#unseen.add(key);
    }
    return undefined;
  }

  async #saveBehind(before: Promise<void>): Promise<void> {
    await before;
    this.#nextSave = undefined;
    const save = this.#save();
    this.#saving = save.catch(() => undefined);
    await save;
  }

  async #save(): Promise<void> {
    const oldest = Date.now() - FORGET_AFTER;
    for (const key of this.#unseen) {
      const position = this.#positions.get(key);
      // One that was seen stays, whatever the clock is set to.
      if (position !== undefined && Date.parse(position.updated) < oldest) this.#positions.delete(key);
    }
    const text = JSON.stringify({ version: VERSION, positions: [...this.#positions.values()] });
    try {
      await this.#replace(`${text}\n`);
    } catch (error) {
      throw unusableState(this.#directory, error);
    }
  }

  /** Whole and on disk under another name first: a crash at any moment leaves this checkpoint or the one before it. */
  async #replace(text: string): Promise<void> {
    const path = join(this.#directory, FILE);
    const draft = join(this.#directory, `checkpoint.${randomUUID()}.draft`);
    try {
      await writeSynced(draft, text);
      await rename(path, join(this.#directory, PREVIOUS)).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      });
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw error;
    }
    const directory = await open(this.#directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

const MISSING = 'is missing';

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** @throws SyntaxError with what is wrong. */
function parseCheckpoint(text: string): readonly Position[] {
  const parsed = JSON.parse(text) as { readonly version?: unknown; readonly positions?: unknown } | null;
  if (parsed?.version !== VERSION) throw new SyntaxError(`it is not of version ${VERSION}`);
  if (!Array.isArray(parsed.positions) || !parsed.positions.every(isPosition)) {
    throw new SyntaxError('it has positions that are none');
  }
  return parsed.positions;
}

const TEXTS = ['destination', 'type', 'fileKey', 'device', 'inode', 'tail', 'path', 'input'] as const;

function isPosition(value: unknown): value is Position {
  const position = (value ?? {}) as Partial<Position>;
  return (
    TEXTS.every((name) => typeof position[name] === 'string') &&
    [position.offset, position.size].every((bytes) => Number.isSafeInteger(bytes) && Number(bytes) >= 0) &&
    !Number.isNaN(Date.parse(String(position.updated)))
  );
}

function keyOf({ destination, type, fileKey, device, inode }: Position): string {
  return [destination, type, fileKey, device, inode].join('/');
}
