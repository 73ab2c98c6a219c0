import { existsSync, globSync } from 'node:fs';
import { resolve } from 'node:path';
import { codeOf, systemWords } from '../../errors.ts';
import type { LogType } from '../types/log-type.ts';
import type { Checkpoint, Position } from './checkpoint.ts';
import type { ForwardInput } from './config.ts';
import { BEGINNING, type FilePlace, LogFile } from './log-file.ts';
import { findRotated, isGzip } from './rotation.ts';
import type { ForwardEvents, ForwardSummary } from './summary.ts';

/** A file to ship, and from where on. */
export interface OpenInput {
  readonly type: LogType;
  readonly file: LogFile;
  readonly key: string;
  readonly from: FilePlace;
  /** The path or pattern that it was found by, or that it was rotated away from. */
  readonly input: string;
}

const PATTERN = /[*?[]/;

/** What rotation compresses has other bytes, at other offsets. */
const COMPRESSED = /\.(gz|bz2|xz|zst|lz4)$/;

/** Opens the files of one run and finds out from where on each is to be shipped. */
export class InputOpener {
  /** Those that rotation has moved away come first. Whoever asked for them closes them, also when `open` failed. */
  readonly opened: OpenInput[] = [];
  /** Positions of earlier runs that nobody has looked after yet. */
  readonly #earlier: Set<Position>;
  readonly #checkpoint: Checkpoint;
  readonly #summary: ForwardSummary;
  readonly #events: ForwardEvents;
  readonly #unreadable = new Set<string>();

  constructor(destination: string, checkpoint: Checkpoint, summary: ForwardSummary, events: ForwardEvents) {
    this.#earlier = new Set(checkpoint.of(destination));
    this.#checkpoint = checkpoint;
    this.#summary = summary;
    this.#events = events;
  }

  async open(inputs: readonly ForwardInput[]): Promise<void> {
    for (const input of inputs) for (const path of this.#pathsOf(input)) await this.#openPath(input, path);
    for (const input of inputs) await this.#followRotation(input.type, resolve(input.path));
  }

  #pathsOf({ path, named }: ForwardInput): readonly string[] {
    if (!PATTERN.test(path) || existsSync(path)) return [path];
    const paths = globSync(path).filter((found) => !COMPRESSED.test(found));
    if (paths.length === 0 && named) this.#summary.unreadable.push(`${path}: no file matches`);
    return paths.sort();
  }

  async #openPath({ type, path: input, named }: ForwardInput, path: string): Promise<void> {
    let file: LogFile | undefined;
    try {
      file = await LogFile.open(path);
      const from = await this.#resumeAt(type, file);
      const summary = this.#summary.of(type);
      if (file.key !== undefined && !this.#isOpen(type, file)) {
        this.#warnOfTwin(type, file);
        this.opened.push({ type, file, key: file.key, from, input: resolve(input) });
        return;
      }
      if (file.key === undefined) summary.unfinishedBytes += file.size;
    } catch (error) {
      const missing = codeOf(error) === 'ENOENT';
      if (!missing) this.#unreadable.add(resolve(path));
      // What a pattern has found may be renamed by now: then it is looked for as any rotated file.
      if (named && !(missing && path !== input)) this.#summary.unreadable.push(`${path}: ${systemWords(error)}`);
      else if (!missing) this.#events.warning(`${path}: ${systemWords(error)}`);
    }
    await file?.close();
  }

  async #resumeAt(type: LogType, file: LogFile): Promise<FilePlace> {
    const alike = [...this.#earlier].filter((position) => position.type === type.name && position.fileKey === file.key);
    // A copy goes on where the original was.
    alike.sort((a, b) => b.offset - a.offset);
    for (const position of alike) if (await file.holds(position)) return position;
    if (alike.length > 0) {
      this.#events.warning(
        `${file.path} begins like a file that was shipped before, but does not go on like it; it is shipped from its beginning`,
      );
    }
    return BEGINNING;
  }

  #isOpen(type: LogType, file: LogFile): boolean {
    return this.opened.some(
      (open) => open.type === type && open.file.inode === file.inode && open.file.device === file.device,
    );
  }

  /**
   * Ids of records come from the file's first line, so that a rotated or copied file is known again. Where two files
   * really are two in spite of the same first line, both are shipped, from a position each: all that could get lost is
   * a record with the very bytes of another, at the very offset, behind the very first line. That is what a copy looks
   * like, and to tell it from one by the inode would store every rotated file twice.
   */
  #warnOfTwin(type: LogType, file: LogFile): void {
    const twin = this.opened.find((open) => open.type === type && open.key === file.key);
    if (twin === undefined) return;
    this.#events.warning(
      `${file.path} and ${twin.file.path} have the same first line: both are shipped, and what is the same at the same place in both is stored once`,
    );
  }

  /**
   * What was at an input at the last run and is not there now was rotated away while nobody looked. It is looked after
   * for as long as it can be found: whoever wrote it may not have noticed yet that it was renamed.
   */
  async #followRotation(type: LogType, input: string): Promise<void> {
    for (const position of this.#earlier) {
      if (position.type !== type.name || position.input !== input || this.#unreadable.has(position.path)) continue;
      this.#earlier.delete(position);
      const holder = await this.#holderOf(type, position);
      if (holder !== undefined && isIn(position, holder)) continue;
      if (isGzip(position.path) && position.offset === position.size) continue;
      this.#checkpoint.forget(position);
      if (holder !== undefined) continue;
      const file = await findRotated(position);
      if (file === undefined) this.#tellGone(position);
      else this.opened.unshift({ type, file, key: position.fileKey, from: position, input });
    }
  }

  /** The open file that goes on from a position; by preference the very file it was in. */
  async #holderOf(type: LogType, position: Position): Promise<LogFile | undefined> {
    const files = this.opened.filter((open) => open.type === type).map(({ file }) => file);
    files.sort((a, b) => Number(isIn(position, b)) - Number(isIn(position, a)));
    for (const file of files) if (await file.holds(position)) return file;
    return undefined;
  }

  #tellGone({ path, input, offset, size, updated }: Position): void {
    const gone = `the file that was at ${path} on ${updated} is not there any more, nor beside it under another name`;
    if (offset < size) {
      this.#summary.incomplete.push(`${gone}: ${size - offset} bytes of it were not shipped`);
    } else if (path === input) {
      this.#events.warning(`${gone}: what was written to it after that, if anything, was not shipped`);
    }
    // What was rotated already then, and read to its end, is deleted some day: that is no news.
  }
}

function isIn({ device, inode }: Position, file: LogFile): boolean {
  return device === file.device && inode === file.inode;
}
