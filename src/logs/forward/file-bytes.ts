import { fstatSync, readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** The bytes of an open file by their places. */
export interface FileBytes {
  /** How many there are now. */
  size(): Promise<number>;
  /** Fewer than `length` only at the end. They are read into `memory`, where it is given and holds so many. */
  readAt(position: number, length: number, memory?: Buffer): Promise<Buffer>;
  /** Whether there are at least `size` now, and each piece stands at its place. */
  isStill(size: number, pieces: readonly PlacedBytes[]): Promise<boolean>;
  close(): Promise<void>;
}

/** Bytes that were read at a place before. */
export interface PlacedBytes {
  readonly position: number;
  readonly bytes: Buffer;
}

/** The bytes of a file as they stand in it. */
export class PlainBytes implements FileBytes {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async readAt(position: number, length: number, memory?: Buffer): Promise<Buffer> {
    const buffer = memory !== undefined && memory.length >= length ? memory : Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(buffer, filled, length - filled, position + filled);
      // The file has shrunk under us: what is there is there.
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  /** At once: what was read a moment ago is in memory, and the way to another thread and back takes fifty times as long. */
  async isStill(size: number, pieces: readonly PlacedBytes[]): Promise<boolean> {
    const { fd } = this.#handle;
    return (
      fstatSync(fd).size >= size &&
      pieces.every(({ position, bytes }) => {
        const now = Buffer.allocUnsafe(bytes.length);
        return readSync(fd, now, 0, now.length, position) === now.length && now.equals(bytes);
      })
    );
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
