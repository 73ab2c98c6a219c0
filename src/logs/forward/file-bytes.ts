import type { FileHandle } from 'node:fs/promises';

/** The bytes of an open file by their places. */
export interface FileBytes {
  /** How many there are now. */
  size(): Promise<number>;
  /** Fewer than `length` only at the end. They are read into `memory`, where it is given and holds so many. */
  readAt(position: number, length: number, memory?: Buffer): Promise<Buffer>;
  close(): Promise<void>;
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

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
