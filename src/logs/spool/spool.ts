import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { UploadSource } from '../record/source.ts';
import { StoreUnavailable } from '../store/log-store.ts';
import { Backlog, type Waiting } from './backlog.ts';
import { type Found, frameLength, readFrame } from './frame.ts';
import { type Lane, laneKey, readHead, type Spooled, writeHead } from './lane.ts';
import { type Damage, Quarantine } from './quarantine.ts';
import { chargeOf, Room } from './room.ts';
import { Segment } from './segment.ts';
import { type Place, SegmentWriter } from './segment-writer.ts';
import { claimFormat } from './spool-format.ts';

/** What was read back of a frame. */
export interface SpooledBatch {
  readonly head: Buffer;
  readonly body: Buffer;
  readonly spooled: Spooled;
}

export interface SpoolOptions {
  readonly directory: string;
  /** Bytes that all its files may have together. */
  readonly size: number;
  readonly onDamage: (damage: Damage) => void;
}

const QUARANTINE = 'quarantine';
const NOTES = /\.done$/;

/**
 * Batches on disk that wait for the store: a log in segments, and a backlog for each lane. What `append` has resolved for
 * is synced, and comes back after whatever end of the process. Belongs to whoever holds the directory's lock.
 *
 * A lane is a list in memory and no file of its own: thousands of clusters share one log, where one write and one sync
 * serve all that wait for it, and the number of files depends on the size of the spool alone.
 */
export class Spool {
  readonly #directory: string;
  readonly #room: Room;
  readonly #quarantine: Quarantine;
  readonly #writer: SegmentWriter;
  readonly #segments = new Set<Segment>();
  readonly #backlogs = new Map<string, Backlog>();
  #sequence = 0;
  #trouble: string | undefined;
  #gathering = false;

  private constructor({ directory, size }: SpoolOptions, quarantine: Quarantine) {
    this.#directory = directory;
    this.#quarantine = quarantine;
    // Not too many files of a large spool, and of a small one not too large a part in each.
    const segmentSize = Math.max(Math.min(64 * 1024 * 1024, size / 16), size / 256);
    // One segment's room is for gathering what is left of others.
    this.#room = new Room(size - quarantineSize(size) - segmentSize);
    this.#writer = new SegmentWriter(directory, segmentSize, {
      segment: (segment) => this.#segments.add(segment),
      failed: (segment) => void this.#removeIfDone(segment),
    });
  }

  /** Reads what is there. @throws Error when the directory cannot be used. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { onDamage } = options;
    const size = quarantineSize(options.size);
    const quarantine = await Quarantine.open({ directory: join(options.directory, QUARANTINE), size, onDamage });
    await claimFormat(options.directory);
    const spool = new Spool(options, quarantine);
    await spool.#load();
    return spool;
  }

  /** Why it takes nothing from anybody; undefined while it does. */
  get trouble(): string | undefined {
    return this.free > 0 ? this.#trouble : 'the spool is full';
  }

  /** Bytes of the disk that its files take. */
  get used(): number {
    return this.#room.used;
  }

  /** Bytes. */
  get free(): number {
    return Math.max(0, this.#room.free);
  }

  /** Those that are not empty. */
  get backlogs(): Iterable<Backlog> {
    return this.#backlogs.values();
  }

  backlogOf(lane: Lane): Backlog | undefined {
    return this.#backlogs.get(laneKey(lane));
  }

  /**
   * Resolves with the lane's backlog once the batch is on disk.
   * @throws StoreUnavailable when there is no room, or the disk does not take it.
   */
  async append(lane: Lane, source: UploadSource, records: number, body: readonly Buffer[]): Promise<Backlog> {
    const spooled = { lane, source, sequence: ++this.#sequence, time: Date.now(), records };
    const frame = { head: writeHead(spooled), body };
    const length = frameLength(frame);
    const charge = chargeOf(length);
    try {
      this.#room.take(lane.cluster, charge);
    } catch (error) {
      void this.#gather();
      throw error;
    }
    try {
      const place = await this.#writer.append(frame);
      this.#trouble = undefined;
      return this.#wait(spooled, length, place);
    } catch (error) {
      this.#room.sent(lane.cluster, charge);
      this.#room.release(charge);
      this.#trouble = `the spool cannot be written: ${messageOf(error)}`;
      throw new StoreUnavailable(this.#trouble, { cause: error });
    }
  }

  /** What a frame holds; undefined where it is damaged. */
  async read({ segment, at, length }: Waiting): Promise<SpooledBatch | undefined> {
    const frame = readFrame(segment.marker, await segment.read(at, length));
    return frame === undefined ? undefined : { ...frame, spooled: readHead(frame.head) };
  }

  /** Lets a backlog's oldest frame go, which has the given head: it is where it should be. */
  async done(backlog: Backlog, head: Buffer): Promise<void> {
    const frame = this.#shift(backlog);
    await frame?.segment.note(frame.at, head);
    if (frame !== undefined) await this.#leave(frame.segment, frame);
  }

  /** Gives a backlog's oldest frame up, which cannot be read. */
  async giveUp(backlog: Backlog): Promise<void> {
    const frame = this.#shift(backlog);
    if (frame === undefined) return;
    await this.#quarantine.take(frame.segment, frame.at, frame.length, frame.records);
    await this.#leave(frame.segment, frame);
  }

  async close(): Promise<void> {
    await this.#writer.close();
    for (const segment of this.#segments) await segment.close();
  }

  #wait({ lane, sequence, time, records }: Spooled, length: number, { segment, at }: Place): Backlog {
    const key = laneKey(lane);
    const backlog = this.#backlogs.get(key) ?? new Backlog(lane);
    this.#backlogs.set(key, backlog);
    backlog.add({ sequence, time, records, length, segment, at, done: false });
    return backlog;
  }

  #shift(backlog: Backlog): Waiting | undefined {
    const frame = backlog.shift();
    if (backlog.empty) this.#backlogs.delete(laneKey(backlog.lane));
    if (frame === undefined) return undefined;
    frame.done = true;
    this.#room.sent(backlog.lane.cluster, chargeOf(frame.length));
    return frame;
  }

  async #leave(segment: Segment, { length }: Waiting): Promise<void> {
    segment.leave(chargeOf(length));
    await this.#removeIfDone(segment);
  }

  async #removeIfDone(segment: Segment): Promise<void> {
    if (!segment.done || !this.#writer.letGo(segment) || !this.#segments.delete(segment)) return;
    // A file that cannot be deleted goes on counting; should it be there after a restart, its frames are noted as done.
    const removed = await segment.remove().catch(() => 'not removed');
    if (removed === undefined) this.#room.release(segment.charged);
  }

  /**
   * Moves what is left in segments that are nearly done with: a lane that is held back for long would keep whole segments
   * for a few frames of its own.
   */
  async #gather(): Promise<void> {
    if (this.#gathering) return;
    this.#gathering = true;
    try {
      for (const segment of [...this.#segments]) {
        if (segment.liveShare < 0.5 && this.#writer.letGo(segment)) await this.#moveAll(segment);
      }
    } catch {
      // The disk does not take it, and says so to whoever appends.
    } finally {
      this.#gathering = false;
    }
  }

  async #moveAll(segment: Segment): Promise<void> {
    for (const backlog of [...this.#backlogs.values()]) {
      for (const frame of backlog.first()) if (frame.segment === segment && !frame.done) await this.#move(frame);
    }
    await this.#removeIfDone(segment);
  }

  async #move(frame: Waiting): Promise<void> {
    const { segment } = frame;
    const parts = await this.read(frame);
    // What is damaged stays where it is, until it comes to be sent.
    if (parts === undefined) return;
    const charge = chargeOf(frame.length);
    this.#room.waste(charge);
    try {
      Object.assign(frame, await this.#writer.append({ head: parts.head, body: [parts.body] }));
    } catch (error) {
      this.#room.release(charge);
      throw error;
    }
    if (!frame.done) {
      segment.leave(charge);
      return;
    }
    // It was sent from where it was.
    await frame.segment.note(frame.at, parts.head);
    await this.#leave(frame.segment, frame);
  }

  async #load(): Promise<void> {
    const names = (await readdir(this.#directory)).sort();
    for (const name of names) {
      const segment = await Segment.open(this.#directory, name);
      if (segment !== undefined) this.#segments.add(segment);
      const orphan = NOTES.test(name) && !names.includes(name.replace(NOTES, ''));
      if (orphan) await rm(join(this.#directory, name), { force: true });
    }
    const last = [...this.#segments].at(-1);
    for (const segment of this.#segments) await this.#loadSegment(segment, segment === last);
    for (const backlog of this.#backlogs.values()) {
      for (const copy of backlog.sort()) {
        copy.segment.leave(chargeOf(copy.length));
        this.#room.sent(backlog.lane.cluster, chargeOf(copy.length));
      }
    }
    if (last !== undefined) this.#writer.goOn(last);
    for (const segment of [...this.#segments]) await this.#removeIfDone(segment);
  }

  async #loadSegment(segment: Segment, isLast: boolean): Promise<void> {
    const isNoted = await segment.readNotes();
    for (const found of segment.find()) {
      // Cut off in the middle of being written: nobody was told that it is here.
      if (found.kind === 'torn' && isLast) {
        segment.length = found.at;
        await segment.cut();
        return;
      }
      const spooled = found.kind === 'frame' ? headOf(found) : undefined;
      if (found.kind === 'frame' && spooled !== undefined)
        this.#loadFrame(segment, found, spooled, isNoted(found.at, found.head));
      else {
        segment.charged += found.length;
        this.#room.waste(found.length);
        await this.#quarantine.take(segment, found.at, found.length, undefined);
      }
    }
  }

  #loadFrame(segment: Segment, { at, length }: Found, spooled: Spooled, noted: boolean): void {
    const charge = chargeOf(length);
    this.#sequence = Math.max(this.#sequence, spooled.sequence);
    segment.charged += charge;
    if (noted) {
      this.#room.waste(charge);
      return;
    }
    this.#room.occupy(spooled.lane.cluster, charge);
    segment.enter(charge);
    this.#wait(spooled, length, { segment, at });
  }
}

function quarantineSize(size: number): number {
  return size / 16;
}

/** undefined for what another version has written. */
function headOf({ head }: { readonly head: Buffer }): Spooled | undefined {
  try {
    return readHead(head);
  } catch {
    return undefined;
  }
}
