import { type BigIntStats, existsSync, globSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { codeOf, messageOf, systemWords, UserError } from '../../errors.ts';
import type { LogType } from '../types/log-type.ts';
import type { Checkpoint, Position } from './checkpoint.ts';
import type { ForwardInput } from './config.ts';
import { type GapLedger, gapOf } from './gap-ledger.ts';
import { BEGINNING, type FilePlace, LogFile } from './log-file.ts';
import { positionOf } from './passage.ts';
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

export interface InputOpenerOptions {
  readonly destination: string;
  readonly checkpoint: Checkpoint;
  readonly events: ForwardEvents;
  /** Where is counted what is gone; left out by those who only look. */
  readonly gaps?: GapLedger;
  /** Milliseconds in which a new file that begins like one that is open may be a copy that is still being made. */
  readonly copying: number;
}

/** A file that is not opened yet: it has no line so far, or may be a copy that is being made. */
interface Waiting {
  readonly since: number;
  /** While it has that size, there is no line in it. */
  readonly size?: number;
}

/** Opens files and finds out from where on each is to be shipped; called again, those that have come since. */
export class InputOpener {
  /** Those that rotation has moved away come first. Whoever asked for them closes them, also when `open` failed. */
  readonly opened: OpenInput[] = [];
  /** Positions that nobody has looked after yet. */
  readonly #earlier: Set<Position>;
  readonly #options: InputOpenerOptions;
  readonly #unreadable = new Set<string>();
  /** How each open file was found by the last `open`: other than before when it was written to. */
  readonly #found = new Map<OpenInput, string>();
  #waiting = new Map<string, Waiting>();

  constructor(options: InputOpenerOptions) {
    this.#earlier = new Set(options.checkpoint.of(options.destination));
    this.#options = options;
  }

  /** Opens what the inputs name and is not open yet; told in the summary is what could not be opened, or is gone. */
  async open(inputs: readonly ForwardInput[], summary: ForwardSummary): Promise<void> {
    const waited = this.#waiting;
    this.#waiting = new Map();
    this.#found.clear();
    this.#unreadable.clear();
    for (const input of inputs) {
      for (const path of pathsOf(input, summary)) await this.#openPath(input, path, waited, summary);
    }
    for (const input of inputs) await this.#followRotation(input.type, resolve(input.path), summary);
  }

  /** Says whether it was written to, when compared with another time; undefined when it is at no input's path. */
  changeOf(open: OpenInput): string | undefined {
    return this.#found.get(open);
  }

  /** It is not read on. Where that leaves something to be shipped, the next `open` looks for it by the position. */
  release(open: OpenInput, left?: Position): void {
    this.opened.splice(this.opened.indexOf(open), 1);
    this.#found.delete(open);
    if (left !== undefined) this.#earlier.add(left);
  }

  async #openPath(input: ForwardInput, path: string, waited: ReadonlyMap<string, Waiting>, summary: ForwardSummary) {
    const { type } = input;
    let file: LogFile | undefined;
    try {
      const stat = statOf(path);
      if (stat !== undefined && this.#isKnown(type, path, stat, waited)) return;
      file = await LogFile.open(path);
      const open = await this.#openInput(type, file, resolve(input.path), waited);
      if (open === undefined) {
        if (file.key === undefined) summary.of(type).unfinishedBytes += file.size;
        await file.close();
        return;
      }
      this.opened.push(open);
      if (stat !== undefined) this.#found.set(open, changeIn(stat));
    } catch (error) {
      this.#tellUnreadable(input, path, error, summary);
      await file?.close();
    }
  }

  /** Open already, or without a line when it was looked at last and not written to since. */
  #isKnown(type: LogType, path: string, stat: BigIntStats, waited: ReadonlyMap<string, Waiting>): boolean {
    const identity = { device: String(stat.dev), inode: String(stat.ino) };
    const open = this.#openAs(type, identity);
    if (open !== undefined) {
      // The first of several paths to it counts, so that it keeps its name.
      if (!this.#found.has(open)) {
        open.file.path = path;
        this.#found.set(open, changeIn(stat));
      }
      return true;
    }
    const waiting = waited.get(idOf(identity));
    if (waiting?.size !== Number(stat.size)) return false;
    this.#waiting.set(idOf(identity), waiting);
    return true;
  }

  #openAs(type: LogType, identity: FileIdentity): OpenInput | undefined {
    return this.opened.find((open) => open.type === type && idOf(open.file) === idOf(identity));
  }

  async #openInput(
    type: LogType,
    file: LogFile,
    input: string,
    waited: ReadonlyMap<string, Waiting>,
  ): Promise<OpenInput | undefined> {
    const { key, openedSize: size } = file;
    const since = waited.get(idOf(file))?.since ?? performance.now();
    if (key === undefined) {
      this.#waiting.set(idOf(file), { since, size });
      return undefined;
    }
    if (this.#openAs(type, file) !== undefined) return undefined;
    const twin = this.opened.find((open) => open.type === type && open.key === key);
    if (twin !== undefined && performance.now() - since < this.#options.copying) {
      this.#waiting.set(idOf(file), { since });
      return undefined;
    }
    if (twin !== undefined) this.#warnOfTwin(file, twin);
    return { type, file, key, from: await this.#resumeAt(type, file), input };
  }

  #tellUnreadable({ path: input, named }: ForwardInput, path: string, error: unknown, summary: ForwardSummary): void {
    const missing = codeOf(error) === 'ENOENT';
    if (!missing) this.#unreadable.add(resolve(path));
    // What a pattern has found may be renamed by now: then it is looked for as any rotated file.
    if (named && !(missing && path !== input)) summary.unreadable.push(`${path}: ${systemWords(error)}`);
    else if (!missing) this.#options.events.warning(`${path}: ${systemWords(error)}`);
  }

  async #resumeAt(type: LogType, file: LogFile): Promise<FilePlace> {
    const { checkpoint, destination, events } = this.#options;
    const alike = checkpoint
      .of(destination)
      .filter((position) => position.type === type.name && position.fileKey === file.key);
    // A copy goes on where the original was.
    alike.sort((a, b) => b.offset - a.offset);
    for (const position of alike) if (await file.holds(position)) return position;
    if (alike.length > 0) {
      events.warning(
        `${file.path} begins like a file that was shipped before, but does not go on like it; it is shipped from its beginning`,
      );
    }
    return BEGINNING;
  }

  /**
   * Ids of records come from the file's first line, so that a rotated or copied file is known again. Where two files
   * really are two in spite of the same first line, both are shipped, from a position each: all that could get lost is
   * a record with the very bytes of another, at the very offset, behind the very first line. That is what a copy looks
   * like, and to tell it from one by the inode would store every rotated file twice.
   */
  #warnOfTwin(file: LogFile, twin: OpenInput): void {
    this.#options.events.warning(
      `${file.path} and ${twin.file.path} have the same first line: both are shipped, and what is the same at the same place in both is stored once`,
    );
  }

  /**
   * What was at an input at the last run and is not there now was rotated away while nobody looked. It is looked after
   * for as long as it can be found: whoever wrote it may not have noticed yet that it was renamed.
   */
  async #followRotation(type: LogType, input: string, summary: ForwardSummary): Promise<void> {
    const { checkpoint, destination } = this.#options;
    for (const position of [...this.#earlier]) {
      if (position.type !== type.name || position.input !== input || this.#unreadable.has(position.path)) continue;
      this.#earlier.delete(position);
      const holder = await this.#holderOf(type, position);
      if (holder !== undefined && isIn(position, holder.file)) continue;
      if (isGzip(position.path) && position.offset === position.size) continue;
      const open = holder ?? (await this.#openRotated(type, position));
      if (open !== undefined) checkpoint.move(position, positionOf(destination, open, open.from));
      else if (await this.#countGone(position, summary)) checkpoint.forget(position);
    }
  }

  async #openRotated(type: LogType, position: Position): Promise<OpenInput | undefined> {
    const file = await findRotated(position);
    if (file === undefined) return undefined;
    const open = { type, file, key: position.fileKey, from: position, input: position.input };
    this.opened.unshift(open);
    return open;
  }

  /** Returns false when what is lost could not be counted: then it is looked for again. */
  async #countGone(position: Position, summary: ForwardSummary): Promise<boolean> {
    const { gaps, checkpoint, events } = this.#options;
    const { type, path, input, offset, size, inode, updated, unread } = position;
    // What is known to have no line without its end is no record.
    if (gaps !== undefined && offset < size && unread?.records !== 0) {
      const cause = ['gone', type, inode, offset, updated].join('/');
      const place = { type, path, input, bytes: size - offset, reason: 'FileGone' } as const;
      try {
        await gaps.add(gapOf(place, unread, Date.parse(updated)), cause);
        checkpoint.forget(position);
        await checkpoint.advance();
        gaps.settle((settled) => settled === cause);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        events.warning(messageOf(error));
        this.#earlier.add(position);
        return false;
      }
    }
    this.#tellGone(position, summary);
    return true;
  }

  /** The open file that goes on from a position; by preference the very file it was in. */
  async #holderOf(type: LogType, position: Position): Promise<OpenInput | undefined> {
    const open = this.opened.filter((one) => one.type === type);
    open.sort((a, b) => Number(isIn(position, b.file)) - Number(isIn(position, a.file)));
    for (const one of open) if (await one.file.holds(position)) return one;
    return undefined;
  }

  #tellGone({ path, input, offset, size, updated }: Position, summary: ForwardSummary): void {
    const gone = `the file that was at ${path} on ${updated} is not there any more, nor beside it under another name`;
    if (offset < size) {
      summary.incomplete.push(`${gone}: ${size - offset} bytes of it were not shipped`);
    } else if (path === input) {
      this.#options.events.warning(`${gone}: what was written to it after that, if anything, was not shipped`);
    }
    // What was rotated already then, and read to its end, is deleted some day: that is no news.
  }
}

function isIn({ device, inode }: Position, file: LogFile): boolean {
  return device === file.device && inode === file.inode;
}

type FileIdentity = Pick<LogFile, 'device' | 'inode'>;

/** Tells files apart, whatever they are called. */
function idOf({ device, inode }: FileIdentity): string {
  return `${device}/${inode}`;
}

function changeIn({ size, mtimeNs }: BigIntStats): string {
  return `${size}/${mtimeNs}`;
}

/** Undefined where opening it will say what is wrong. */
function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function pathsOf({ path, named }: ForwardInput, summary: ForwardSummary): readonly string[] {
  if (!PATTERN.test(path) || existsSync(path)) return [path];
  const paths = globSync(path).filter((found) => !COMPRESSED.test(found));
  if (paths.length === 0 && named) summary.unreadable.push(`${path}: no file matches`);
  return paths.sort();
}
