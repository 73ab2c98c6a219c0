import { randomBytes } from 'node:crypto';
import { readSync } from 'node:fs';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { codeOf } from '../../errors.ts';
import { type Found, type Frame, findFrames, frameOf, MARKER_LENGTH } from './frame.ts';

const NAME = new RegExp(`^(\\d{10})-([0-9a-f]{${2 * MARKER_LENGTH}})\\.frames$`);

/** What is noted of a frame that is done with: its offset (float64) and the CRC-32 of its head. */
const NOTE = 12;

/**
 * One file of a spool: frames one after the other, and beside it a file that notes which of them are done with. A note
 * that is lost only makes work, and one that was garbled fits no frame; so notes are never synced.
 */
export class Segment {
  readonly number: number;
  readonly path: string;
  /** Bytes of whole frames; what is appended comes here. */
  length: number;
  /** What it takes of the spool's room. */
  charged = 0;
  #live = 0;
  #liveCharged = 0;
  readonly #marker: Buffer;
  readonly #file: FileHandle;
  #notes: Promise<FileHandle> | undefined;

  private constructor(path: string, number: number, marker: Buffer, file: FileHandle, length: number) {
    this.path = path;
    this.number = number;
    this.#marker = marker;
    this.#file = file;
    this.length = length;
  }

  /** A new file, there to stay. */
  static async create(directory: string, number: number): Promise<Segment> {
    const marker = randomBytes(MARKER_LENGTH);
    const path = join(directory, `${String(number).padStart(10, '0')}-${marker.toString('hex')}.frames`);
    const file = await open(path, 'wx+', 0o600);
    try {
      const folder = await open(directory);
      await folder.sync().finally(() => folder.close());
      return new Segment(path, number, marker, file, 0);
    } catch (error) {
      await file.close();
      await rm(path, { force: true });
      throw error;
    }
  }

  /** What the file of that name is a segment of; undefined for other files. */
  static async open(directory: string, name: string): Promise<Segment | undefined> {
    const [, number, marker = ''] = NAME.exec(name) ?? [];
    if (number === undefined) return undefined;
    const path = join(directory, name);
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    return new Segment(path, Number(number), Buffer.from(marker, 'hex'), file, size);
  }

  get marker(): Buffer {
    return this.#marker;
  }

  /** Whether nothing in it waits any more. */
  get done(): boolean {
    return this.#live === 0;
  }

  /** Which part of its room is for what still waits. */
  get liveShare(): number {
    return this.#liveCharged / this.charged;
  }

  /** One more frame in it waits. */
  enter(charge: number): void {
    this.#live++;
    this.#liveCharged += charge;
  }

  /** One frame in it waits no more. */
  leave(charge: number): void {
    this.#live--;
    this.#liveCharged -= charge;
  }

  /** What is in the file. */
  find(): Iterable<Found> {
    return findFrames(this.#marker, this.length, (at, length) => {
      const bytes = Buffer.allocUnsafe(Math.min(length, this.length - at));
      let filled = 0;
      while (filled < bytes.length) {
        const read = readSync(this.#file.fd, bytes, filled, bytes.length - filled, at + filled);
        if (read === 0) break;
        filled += read;
      }
      return bytes.subarray(0, filled);
    });
  }

  /** Whether a frame was noted as done with, by its offset and head. */
  async readNotes(): Promise<(at: number, head: Buffer) => boolean> {
    const notes = await readFile(`${this.path}.done`).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    const done = new Map<number, number>();
    for (let at = 0; at + NOTE <= notes.length; at += NOTE)
      done.set(notes.readDoubleBE(at), notes.readUInt32BE(at + 8));
    return (at, head) => done.get(at) === crc32(head);
  }

  /** Appends frames and syncs them. When that fails, nothing of them is there. */
  async append(frames: readonly Frame[]): Promise<void> {
    const pieces = frames.flatMap((frame) => frameOf(this.#marker, frame));
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    try {
      await this.#write(pieces, length);
      await this.#file.datasync();
    } catch (error) {
      // Whatever stays there nevertheless was never acknowledged, and does no harm when it is sent.
      await this.cut().catch(() => undefined);
      throw error;
    }
    this.length += length;
  }

  async #write(pieces: readonly Buffer[], length: number): Promise<void> {
    const { bytesWritten } = await this.#file.writev(pieces, this.length);
    if (bytesWritten === length) return;
    // A disk that gets full takes a part; the next write says why it does not take the rest.
    const rest = Buffer.concat(pieces).subarray(bytesWritten);
    for (let written = 0; written < rest.length; ) {
      const more = await this.#file.write(rest, written, rest.length - written, this.length + bytesWritten + written);
      written += more.bytesWritten;
    }
  }

  /** Ends the file behind its whole frames. */
  async cut(): Promise<void> {
    await this.#file.truncate(this.length);
  }

  /** Fewer bytes where the file ends. */
  async read(at: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#file.read(bytes, filled, length - filled, at + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  /** Notes a frame as done with. */
  async note(at: number, head: Buffer): Promise<void> {
    const note = Buffer.alloc(NOTE);
    note.writeDoubleBE(at);
    note.writeUInt32BE(crc32(head), 8);
    this.#notes ??= open(`${this.path}.done`, 'a', 0o600);
    try {
      await (await this.#notes).write(note);
    } catch {
      // A full disk: it will be sent once more after a restart, and recognized.
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#notes?.then((file) => file.close()).catch(() => undefined);
  }

  /** Deletes it. In this order: notes without their frames say nothing. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
    await rm(`${this.path}.done`, { force: true });
  }
}
