import { mkdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf, UserError } from '../../errors.ts';
import type { LogTypeName } from '../types/log-type.ts';

/** How far into one file everything has been acknowledged. */
export interface Position {
  /** Who acknowledged it: what one manager has, another has not, nor has the same one for another cluster. */
  readonly destination: string;
  readonly type: LogTypeName;
  readonly fileKey: string;
  /** Offset of the first byte that is not acknowledged. */
  readonly offset: number;
  /** Where the file was when it was last read; for people. */
  readonly path: string;
  /** RFC 3339. */
  readonly updated: string;
}

const FILE = 'checkpoint.json';
const VERSION = 1;

/** Positions of files that nobody has read for so long are dropped: rotated away, or deleted. */
const FORGET_AFTER = 30 * 86_400_000;

/**
 * A forwarder's memory of what is done. Only acknowledged bytes ever get in, and every save is on disk before the next
 * batch is acknowledged. To lose it costs work but no record: ids come from the place in the file, so what is sent
 * again is recognized.
 */
export class Checkpoint {
  readonly #directory: string;
  readonly #positions = new Map<string, Position>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param onDamaged told when there is a file that cannot be read; the forwarder then begins anew.
   * @throws UserError when the directory cannot be used.
   */
  static load(directory: string, onDamaged: (reason: string) => void): Checkpoint {
    const checkpoint = new Checkpoint(directory);
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      checkpoint.#read(readFileSync(join(directory, FILE), 'utf8'));
    } catch (error) {
      if (error instanceof SyntaxError) onDamaged(`${join(directory, FILE)}: ${messageOf(error)}`);
      else if (codeOf(error) !== 'ENOENT')
        throw new UserError(`error: cannot use the state directory: ${messageOf(error)}`);
    }
    return checkpoint;
  }

  offsetOf(file: Pick<Position, 'destination' | 'type' | 'fileKey'>): number {
    return this.#positions.get(keyOf(file))?.offset ?? 0;
  }

  /** Everything before `position.offset` is acknowledged. Resolves once that is on disk. */
  async advance(position: Position): Promise<void> {
    this.#positions.set(keyOf(position), position);
    await this.#save();
  }

  #read(text: string): void {
    const parsed = JSON.parse(text) as { readonly version?: unknown; readonly positions?: unknown } | null;
    if (parsed?.version !== VERSION || !Array.isArray(parsed.positions) || !parsed.positions.every(isPosition)) {
      throw new SyntaxError('not a checkpoint of this version');
    }
    const oldest = Date.now() - FORGET_AFTER;
    for (const position of parsed.positions) {
      if (Date.parse(position.updated) < oldest) continue;
      this.#positions.set(keyOf(position), position);
    }
  }

  async #save(): Promise<void> {
    const path = join(this.#directory, FILE);
    const draft = `${path}.new`;
    const text = JSON.stringify({ version: VERSION, positions: [...this.#positions.values()] });
    // Whole and on disk under another name first: a crash at any moment leaves the old file or the new one.
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(`${text}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    const directory = await open(this.#directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

function isPosition(value: unknown): value is Position {
  const { destination, type, fileKey, offset, updated } = (value ?? {}) as Partial<Position>;
  return (
    typeof destination === 'string' &&
    typeof type === 'string' &&
    typeof fileKey === 'string' &&
    Number.isSafeInteger(offset) &&
    typeof updated === 'string'
  );
}

function keyOf({ destination, type, fileKey }: Pick<Position, 'destination' | 'type' | 'fileKey'>): string {
  return `${destination}/${type}/${fileKey}`;
}
