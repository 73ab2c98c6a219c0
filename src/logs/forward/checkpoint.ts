import { setTimeout as sleep } from 'node:timers/promises';
import { FORMATS, refuseNewer } from '../../formats.ts';
import type { LogTypeName } from '../types/log-type.ts';
import type { LineCount } from './line-count.ts';
import type { FilePlace } from './log-file.ts';
import { removeDrafts, StateFile } from './state-file.ts';

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
  /** RFC 3339, of the last acknowledgement. */
  readonly acknowledged?: string;
  /** Why what comes after it is not acknowledged, where something keeps that. */
  readonly heldBack?: string;
  /** The records after it, as far as they were counted. */
  readonly unread?: LineCount;
}

const NAME = 'checkpoint';
const IF_LOST = 'everything is sent again (nothing gets stored twice)';
const VERSION = FORMATS.checkpoint;

/** Milliseconds from one save to the next. */
const GATHER = 100;

/** Positions of files that nobody has seen for so long are dropped: rotated away, or deleted. */
const FORGET_AFTER = 30 * 86_400_000;

/**
 * A forwarder's memory of what is done. Only acknowledged bytes ever get in, and a save is synced before it counts. To
 * lose it, or what comes between two saves, costs work but no record: ids come from the place in the file, so what is
 * sent again is recognized. Belongs to whoever holds the directory's lock.
 */
export class Checkpoint {
  readonly #file: StateFile;
  readonly #positions = new Map<string, Position>();
  /** Keys of those that come from an earlier run, and that this one has not seen yet. */
  readonly #unseen = new Set<string>();
  /** Records that were set aside, by type. */
  readonly #setAside = new Map<LogTypeName, number>();
  #saving: Promise<void> = Promise.resolve();
  /** When the last save began, by performance.now. */
  #saved = Number.NEGATIVE_INFINITY;
  /** A save that has not begun yet: whoever comes until then is part of it. */
  #nextSave: Promise<void> | undefined;

  private constructor(directory: string) {
    this.#file = new StateFile(directory, NAME, IF_LOST);
  }

  /**
   * @param onDamaged told when the checkpoint cannot be read, and what is done instead.
   * @throws UserError when the directory cannot be used.
   */
  static load(directory: string, onDamaged: (warning: string) => void): Checkpoint {
    removeDrafts(directory);
    return Checkpoint.peek(directory, onDamaged);
  }

  /** The same for those who only look: nothing is touched, whoever holds the lock, and the directory may be missing. */
  static peek(directory: string, onDamaged: (warning: string) => void): Checkpoint {
    const checkpoint = new Checkpoint(directory);
    checkpoint.#file.read((text) => checkpoint.#take(text), onDamaged);
    return checkpoint;
  }

  /** Of all destinations. */
  get positions(): readonly Position[] {
    return [...this.#positions.values()];
  }

  /** Records that were ever set aside, by type. */
  get setAside(): ReadonlyMap<LogTypeName, number> {
    return this.#setAside;
  }

  /** Positions that were recorded for a destination. */
  of(destination: string): readonly Position[] {
    return this.positions.filter((position) => position.destination === destination);
  }

  /**
   * Everything before each position's offset is acknowledged. Resolves once that is on disk: what is asked for while a
   * save is under way, and shortly after, becomes one save behind it.
   * @throws UserError when it cannot be saved.
   */
  async advance(...positions: readonly Position[]): Promise<void> {
    for (const position of positions) {
      const key = keyOf(position);
      const acknowledged = position.acknowledged ?? this.#positions.get(key)?.acknowledged;
      this.#positions.set(key, { ...position, ...(acknowledged === undefined ? {} : { acknowledged }) });
      this.#unseen.delete(key);
    }
    this.#nextSave ??= this.#saveBehind(this.#saving);
    await this.#nextSave;
  }

  /**
   * What was at `from` goes on in another file, or in that one under another name. The next save says so; no save is
   * without either of the two.
   */
  move(from: Position, to: Position): void {
    this.forget(from);
    const key = keyOf(to);
    // The other file may be further already.
    if (!this.#positions.has(key)) this.#positions.set(key, to);
  }

  /** The next save leaves it out. */
  forget(position: Position): void {
    this.#positions.delete(keyOf(position));
  }

  /** The next save has it. */
  countSetAside(type: LogTypeName, records: number): void {
    if (records > 0) this.#setAside.set(type, (this.#setAside.get(type) ?? 0) + records);
  }

  #take(text: string): void {
    const { positions, setAside } = parseCheckpoint(text);
    for (const position of positions) {
      const key = keyOf(position);
      this.#positions.set(key, position);
      this.#unseen.add(key);
    }
    for (const [type, records] of Object.entries(setAside)) this.#setAside.set(type as LogTypeName, records);
  }

  async #saveBehind(before: Promise<void>): Promise<void> {
    await before;
    await sleep(Math.max(0, this.#saved + GATHER - performance.now()));
    this.#nextSave = undefined;
    this.#saved = performance.now();
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
    const setAside = Object.fromEntries(this.#setAside);
    await this.#file.replace({ version: VERSION, positions: this.positions, setAside });
  }
}

interface Remembered {
  readonly positions: readonly Position[];
  readonly setAside: Readonly<Record<string, number>>;
}

/** @throws SyntaxError with what is wrong. */
function parseCheckpoint(text: string): Remembered {
  const parsed = JSON.parse(text) as (Partial<Remembered> & { readonly version?: unknown }) | null;
  refuseNewer('the checkpoint', parsed?.version, VERSION);
  if (parsed?.version !== VERSION) throw new SyntaxError(`it is not of version ${VERSION}`);
  const { positions, setAside = {} } = parsed;
  if (!Array.isArray(positions) || !positions.every(isPosition)) {
    throw new SyntaxError('it has positions that are none');
  }
  return { positions, setAside };
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
