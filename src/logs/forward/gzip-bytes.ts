import type { FileHandle } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FileBytes, PlacedBytes } from './file-bytes.ts';
import { TAIL_BYTES } from './file-chunk.ts';

/** The beginning is asked for again and again, to see whether the file is still the same. */
const HEAD_BYTES = 64 * 1024;

const READ = 64 * 1024;

/**
 * The uncompressed bytes of a file that rotation has compressed. They are unpacked as they are asked for, forwards; what
 * is asked for from further back is unpacked from the beginning again. Nothing is held but what was asked for last.
 */
export class GzipBytes implements FileBytes {
  readonly #handle: FileHandle;
  #size: number | undefined;
  #head: Buffer | undefined;
  #unpacked: AsyncIterator<Buffer, undefined> | undefined;
  /** Unpacked and not let go yet, and where that begins and ends. */
  #parts: Buffer[] = [];
  #start = 0;
  #end = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Unpacks all of it, once: only then it is known, and that it is whole. @throws Error when it is not. */
  async size(): Promise<number> {
    if (this.#size === undefined) {
      let size = 0;
      for await (const part of unpack(this.#handle)) size += part.length;
      this.#size = size;
    }
    return this.#size;
  }

  async readAt(position: number, length: number): Promise<Buffer> {
    this.#head ??= Buffer.from(await this.#unpackAt(0, HEAD_BYTES));
    const end = position + length;
    return end <= this.#head.length ? this.#head.subarray(position, end) : await this.#unpackAt(position, end);
  }

  async isStill(size: number, pieces: readonly PlacedBytes[]): Promise<boolean> {
    if ((await this.size()) < size) return false;
    for (const { position, bytes } of pieces) {
      if (!(await this.readAt(position, bytes.length)).equals(bytes)) return false;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#unpacked?.return?.();
    await this.#handle.close();
  }

  async #unpackAt(position: number, end: number): Promise<Buffer> {
    if (this.#unpacked === undefined || position < this.#start) await this.#rewind();
    while (this.#end < end) {
      const { value } = (await this.#unpacked?.next()) ?? {};
      if (value === undefined) break;
      this.#parts.push(value);
      this.#end += value.length;
      this.#letGo(position - TAIL_BYTES);
    }
    return Buffer.concat(this.#parts).subarray(position - this.#start, end - this.#start);
  }

  /** What lies before a place, but for a little of it, that is looked back at. */
  #letGo(position: number): void {
    for (let [first] = this.#parts; first !== undefined; [first] = this.#parts) {
      if (this.#start + first.length > position) return;
      this.#start += first.length;
      this.#parts.shift();
    }
  }

  async #rewind(): Promise<void> {
    await this.#unpacked?.return?.();
    this.#unpacked = unpack(this.#handle)[Symbol.asyncIterator]();
    this.#parts = [];
    this.#start = 0;
    this.#end = 0;
  }
}

function unpack(handle: FileHandle): AsyncIterable<Buffer, undefined> {
  const gunzip = createGunzip({ chunkSize: READ });
  // What is wrong comes out of its end.
  pipeline(Readable.from(packed(handle)), gunzip, () => undefined);
  return gunzip;
}

/** Not by a stream of the handle's own, which closes it with itself. */
async function* packed(handle: FileHandle): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ), 0, READ, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
