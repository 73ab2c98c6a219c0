import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { rename, rm, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { codeOf, messageOf, UserError } from '../../errors.ts';
import { Turns } from '../../turns.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type FileChunk, wholeLines } from './file-chunk.ts';
import { type GapLedger, gapOf } from './gap-ledger.ts';
import { type FilePlace, tailHash } from './log-file.ts';
import type { OpenInput } from './open-inputs.ts';
import { Quarantine } from './quarantine.ts';
import { countOf, DamagedSegment, encodeSegment, isLost, readContent, readSegment, type Segment } from './segment.ts';
import {
  onDisk,
  parseSegmentName,
  quarantineDirectory,
  type SegmentName,
  type SpoolUsage,
  segmentName,
  spoolDirectory,
} from './spool-files.ts';
import { syncDirectory, writeSynced } from './state-file.ts';
import { unusableState } from './state-lock.ts';
import type { ForwardEvents } from './summary.ts';

/** What is done when the spool is full: files are held open and wait, or the oldest that was spooled goes. */
export type WhenFull = 'block' | 'drop-oldest';

export interface SpoolOptions {
  readonly stateDirectory: string;
  /** Bytes on disk; 0 for no spool. */
  readonly spoolSize: number;
  readonly whenFull: WhenFull;
  readonly events: ForwardEvents;
}

/** A segment in the spool. */
export interface SpooledSegment extends Segment {
  readonly name: string;
  /** On disk. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly spooled: number;
}

const DRAFT = '.draft';

/** Bytes of a file that become one segment, in a spool that has room for some. */
const SEGMENT_BYTES = 1024 * 1024;
const SEGMENTS = 8;

/** What is left free on the disk, so that positions and gaps can be saved. */
const RESERVE = 1024 * 1024;

/** What the system says when there is no room, or no more of it for us. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/**
 * Keeps lines whose file may be gone before they can be shipped. Nothing else is in it: as long as a file stays, it is
 * its own spool. Belongs to whoever holds the directory's lock.
 */
export class Spool {
  readonly #directory: string;
  readonly #quarantine: Quarantine;
  readonly #options: SpoolOptions;
  readonly #gaps: GapLedger;
  /** Oldest first. */
  readonly #segments: SpooledSegment[] = [];
  /** One chunk of a file that is copied is in memory. */
  readonly #copying = new Turns({ atOnce: 1, waiting: Number.POSITIVE_INFINITY });
  readonly #broken = new Map<string, number>();
  /** Of segments that are acknowledged in part. */
  readonly #acknowledged = new Map<SpooledSegment, { readonly end: number; readonly records: number }>();
  #current: SpooledSegment | undefined;
  #next = 0;
  #said = '';
  #moved = 0;
  #onChange: () => void = () => undefined;

  private constructor(options: SpoolOptions, gaps: GapLedger) {
    this.#options = options;
    this.#gaps = gaps;
    this.#directory = spoolDirectory(options.stateDirectory);
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#quarantine = new Quarantine(quarantineDirectory(options.stateDirectory));
  }

  /**
   * Finds what an earlier forwarder has left; what cannot be read is set aside and counted as lost.
   * @throws UserError when the directory cannot be used.
   */
  static async open(options: SpoolOptions, gaps: GapLedger): Promise<Spool> {
    try {
      const spool = new Spool(options, gaps);
      const names = readdirSync(spool.#directory).sort();
      for (const name of names) await spool.#find(name);
      gaps.settle((cause) => SEGMENT_CAUSE.test(cause) && !names.includes(cause.replace(/#\d+$/, '')));
      return spool;
    } catch (error) {
      throw unusableState(options.stateDirectory, error);
    }
  }

  get usage(): SpoolUsage {
    return {
      bytes: this.#segments.reduce((sum, { size }) => sum + size, 0),
      segments: this.#segments.length,
      oldest: this.#segments[0]?.spooled,
      quarantined: this.#quarantine.count,
    };
  }

  /** Milliseconds since 1970, when something of it was acknowledged last; 0 for never. */
  get moved(): number {
    return this.#moved;
  }

  get segments(): readonly SpooledSegment[] {
    return this.#segments;
  }

  /** Whom to tell when something has come into it. */
  whenChanged(tell: () => void): void {
    this.#onChange = tell;
  }

  /**
   * What is spooled is not shipped from its file once more: a crash may have come before that was saved. Where it cannot be
   * saved now either, the next start finds it again.
   */
  async reconcile(checkpoint: Checkpoint, destination: string): Promise<void> {
    for (const { source, offset, end } of this.#segments) {
      const { fileKey, device, inode } = source;
      const own = checkpoint
        .of(destination)
        .find(
          (position) =>
            position.type === source.type.name &&
            position.fileKey === fileKey &&
            position.device === device &&
            position.inode === inode,
        );
      if (own === undefined || own.offset < offset || own.offset >= end.offset) continue;
      await checkpoint.advance({ ...own, ...end, size: Math.max(own.size, end.offset) }).catch((error: unknown) => {
        if (!(error instanceof UserError)) throw error;
        this.#options.events.warning(messageOf(error));
      });
    }
  }

  /**
   * Copies what a file has from a place on; each part is on disk when `spooled` is called. Resolves with whether all
   * complete lines are: false when there is no room, which is said once.
   * @throws FileTrouble when the file cannot be read on; and whatever `spooled` throws.
   */
  async copy(
    input: OpenInput,
    from: FilePlace,
    spooled: (place: FilePlace, records: number) => Promise<void>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (this.#options.spoolSize === 0) return false;
    const most = Math.min(SEGMENT_BYTES, Math.ceil(this.#options.spoolSize / SEGMENTS));
    return await this.#copying.take(async () => {
      for await (const chunk of input.file.chunks(from, most)) {
        if (!(await this.#write(input, chunk))) return false;
        await spooled({ offset: chunk.end, tail: tailHash(chunk.after) }, chunk.records);
      }
      return true;
    }, signal);
  }

  /** The oldest of those that may be shipped now; it stays until another is taken. */
  take(mayShip: (segment: SpooledSegment) => boolean): SpooledSegment | undefined {
    this.#current = this.#segments.find(mayShip);
    return this.#current;
  }

  /**
   * Reads what is in a segment. What is damaged is counted as lost, once.
   * @throws UserError when it cannot be read now, or what is lost cannot be counted.
   */
  async read(segment: SpooledSegment): Promise<readonly FileChunk[]> {
    const { name, source } = segment;
    try {
      const { chunks, broken } = await readContent(join(this.#directory, name), segment);
      for (const { index, frame } of broken) {
        const cause = causeOf(name, index);
        if (this.#gaps.has(cause)) continue;
        const { type, path, input } = source;
        const bytes = frame.end - frame.offset;
        const place = { type: type.name, path, input, bytes, reason: 'SpoolDamaged' } as const;
        await this.#gaps.add(gapOf(place, frame, segment.spooled), cause);
        this.#options.events.warning(
          `${path}: ${frame.records} records from offset ${frame.offset} on were damaged in the spool: they are lost, and what is left of them is in ${this.#quarantine.directory}`,
        );
      }
      this.#broken.set(name, broken.length);
      return chunks.flatMap((chunk) => restOf(chunk, this.#acknowledged.get(segment)?.end ?? 0));
    } catch (error) {
      throw unusableState(this.#options.stateDirectory, error);
    }
  }

  /** A part of it is acknowledged, up to a place in the file. */
  acknowledged(segment: SpooledSegment, end: number, records: number): void {
    this.#moved = Date.now();
    const before = this.#acknowledged.get(segment)?.records ?? 0;
    this.#acknowledged.set(segment, { end, records: before + records });
  }

  /** All that is in it and in order is acknowledged. @throws UserError when it cannot be removed. */
  async done(segment: SpooledSegment): Promise<void> {
    try {
      if ((this.#broken.get(segment.name) ?? 0) > 0) await this.#setAside(segment.name, segment.size);
      else await this.#delete(segment.name);
    } catch (error) {
      throw unusableState(this.#options.stateDirectory, error);
    }
    this.#leave(segment);
  }

  /** Looks at what was there when it was opened. */
  async #find(name: string): Promise<void> {
    const path = join(this.#directory, name);
    if (name.endsWith(DRAFT)) return await rm(path);
    const named = parseSegmentName(name);
    if (named === undefined) return;
    this.#next = Math.max(this.#next, named.number + 1);
    // Dropped, and counted, when the process ended.
    if (this.#gaps.has(causeOf(name))) return await this.#delete(name);
    const { size, mtimeMs } = statSync(path);
    try {
      const segment = await readSegment(path);
      this.#segments.push({ ...segment, name, size: onDisk(size), spooled: Math.floor(mtimeMs) });
    } catch (error) {
      if (!(error instanceof DamagedSegment || isLost(error))) throw error;
      await this.#giveUp(name, named, size, mtimeMs, messageOf(error));
    }
  }

  /** It cannot be said what a segment is. Where that cannot be counted now, the next start tries again. */
  async #giveUp(
    name: string,
    { type, records }: SegmentName,
    size: number,
    spooled: number,
    why: string,
  ): Promise<void> {
    const { warning } = this.#options.events;
    const path = join(this.#directory, name);
    const place = { type, path, input: this.#directory, bytes: size, reason: 'SpoolDamaged' } as const;
    try {
      await this.#gaps.add(gapOf(place, { records }, spooled), causeOf(name));
      await this.#setAside(name, onDisk(size));
      warning(
        `${path}: ${why}: its ${records} ${type} records are lost, and what is left of them is in ${this.#quarantine.directory}`,
      );
    } catch (error) {
      warning(`${path}: ${why}, and that cannot be counted now: ${messageOf(error)}`);
    }
  }

  /** Returns whether there was room for it. */
  async #write(input: OpenInput, chunk: FileChunk): Promise<boolean> {
    const { segment, parts, bytes } = encodeSegment(input, resolve(input.file.path), chunk);
    this.#next = Math.max(this.#next, Date.now());
    const name = segmentName({ number: this.#next++, type: input.type.name, records: chunk.records });
    const size = onDisk(bytes);
    if (size > this.#options.spoolSize) return this.#isFull(`a line of ${bytes} bytes is longer than it may be`);
    try {
      const trouble = await this.#makeRoom(size);
      if (trouble !== undefined) return this.#isFull(trouble);
      await writeNew(join(this.#directory, name), parts);
    } catch (error) {
      const hasDropped = NO_ROOM.includes(codeOf(error) ?? '') && (await this.#dropOldest().catch(() => 0)) > 0;
      return hasDropped ? await this.#write(input, chunk) : this.#isFull(messageOf(error));
    }
    this.#segments.push({ ...segment, name, size, spooled: Date.now() });
    this.#said = '';
    this.#onChange();
    return true;
  }

  #isFull(reason: string): false {
    if (this.#said !== reason) {
      this.#options.events.warning(
        `the spool ${this.#directory} takes no more: ${reason}; files that were deleted or moved away are held open until there is room`,
      );
    }
    this.#said = reason;
    return false;
  }

  /**
   * Makes room for so many bytes; returns why there is none.
   * @throws UserError when what is dropped for it cannot be counted, or the system's error.
   */
  async #makeRoom(size: number): Promise<string | undefined> {
    const { bavail, bsize } = await statfs(this.#directory);
    // Counted on: some file systems take their time to say what deleting has freed.
    let free = bavail * bsize;
    for (;;) {
      const isTaken = this.usage.bytes + this.#quarantine.bytes + size > this.#options.spoolSize;
      if (!isTaken && free >= size + RESERVE) return undefined;
      const freed = (await this.#quarantine.dropOldest()) || (await this.#dropOldest());
      if (freed === 0) {
        return isTaken ? `its ${this.#options.spoolSize} bytes are taken` : 'no space left on device';
      }
      free += freed;
    }
  }

  /** The oldest that is not on its way; returns how many bytes it had on disk, 0 where none may go. */
  async #dropOldest(): Promise<number> {
    const oldest = this.#segments.find((segment) => segment !== this.#current);
    if (this.#options.whenFull === 'block' || oldest === undefined) return 0;
    const { name, source, offset, spooled } = oldest;
    const { type, path, input } = source;
    const acknowledged = this.#acknowledged.get(oldest) ?? { end: offset, records: 0 };
    const frames = oldest.frames.filter((_frame, index) => !this.#gaps.has(causeOf(name, index)));
    const count = countOf(frames);
    const left = { ...count, records: count.records - acknowledged.records };
    const bytes = frames.reduce(
      (sum, frame) => sum + Math.max(0, frame.end - Math.max(frame.offset, acknowledged.end)),
      0,
    );
    const at = this.#segments.indexOf(oldest);
    this.#segments.splice(at, 1);
    try {
      await this.#gaps.add(
        gapOf({ type: type.name, path, input, bytes, reason: 'SpoolFull' }, left, spooled),
        causeOf(name),
      );
    } catch (error) {
      this.#segments.splice(at, 0, oldest);
      throw error;
    }
    this.#leave(oldest);
    await this.#delete(name);
    return oldest.size;
  }

  async #delete(name: string): Promise<void> {
    await rm(join(this.#directory, name), { force: true });
    await syncDirectory(this.#directory);
    this.#settle(name);
  }

  async #setAside(name: string, size: number): Promise<void> {
    await this.#quarantine.take(join(this.#directory, name), size);
    this.#settle(name);
  }

  #settle(name: string): void {
    this.#gaps.settle((cause) => cause === name || cause.startsWith(`${name}#`));
  }

  #leave(segment: SpooledSegment): void {
    const at = this.#segments.indexOf(segment);
    if (at !== -1) this.#segments.splice(at, 1);
    if (this.#current === segment) this.#current = undefined;
    this.#broken.delete(segment.name);
    this.#acknowledged.delete(segment);
  }
}

const SEGMENT_CAUSE = /\.segment(#\d+)?$/;

/** What a segment, or a frame of it, is counted as lost by. */
function causeOf(name: string, frame?: number): string {
  return frame === undefined ? name : `${name}#${frame}`;
}

/** What of a chunk is behind a place in the file. */
function restOf(chunk: FileChunk, from: number): readonly FileChunk[] {
  if (from <= chunk.offset) return [chunk];
  return from >= chunk.end ? [] : [wholeLines(from, chunk.bytes.subarray(from - chunk.offset), chunk.before)];
}

/** Whole and on disk before it has its name. */
async function writeNew(path: string, parts: readonly Buffer[]): Promise<void> {
  const draft = `${path}${DRAFT}`;
  try {
    await writeSynced(draft, parts);
    await rename(draft, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    for (const left of [draft, path]) await rm(left, { force: true }).catch(() => undefined);
    throw error;
  }
}
