import { type FileHandle, open } from 'node:fs/promises';
import { isBlank, MAX_LINE } from '../record/lines.ts';
import { fileKey } from '../record/source.ts';

const NEWLINE = 0x0a;
const FIRST_READ = 64 * 1024;

/** Complete lines that stand together in a file. */
export interface FileChunk {
  readonly offset: number;
  readonly bytes: Buffer;
  /** Lines that are not blank. */
  readonly records: number;
  /** Offset of the first byte after it. */
  readonly end: number;
  /** A line that is too long to be sent; then `bytes` is empty and `end` stands behind it. */
  readonly tooLong: boolean;
}

/** One log file, as far as it was written when it was opened. */
export class LogFile {
  readonly path: string;
  /** See fileKey; undefined while there is no complete line. */
  readonly key: string | undefined;
  /** Bytes in it when it was opened. */
  readonly size: number;
  readonly #handle: FileHandle;
  #unfinished = 0;

  private constructor(path: string, handle: FileHandle, size: number, key: string | undefined) {
    this.path = path;
    this.#handle = handle;
    this.size = size;
    this.key = key;
  }

  /** @throws the system's error: ENOENT, EACCES ... */
  static async open(path: string): Promise<LogFile> {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      const firstLine = await readFirstLine(handle, size);
      return new LogFile(path, handle, size, firstLine === undefined ? undefined : fileKey(firstLine));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes of a last line that has no end yet; known once all chunks were read. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Its complete lines from `offset` on, in chunks of at most about `chunkBytes` (a longer line is one by itself). */
  async *chunks(offset: number, chunkBytes: number): AsyncGenerator<FileChunk, void, void> {
    let at = offset;
    while (at < this.size) {
      const chunk = await this.#chunkAt(at, chunkBytes);
      if (chunk === undefined) {
        this.#unfinished = this.size - at;
        return;
      }
      yield chunk;
      at = chunk.end;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #chunkAt(offset: number, chunkBytes: number): Promise<FileChunk | undefined> {
    for (let length = chunkBytes; ; length = Math.min(length * 2, MAX_LINE + 1)) {
      const bytes = await readAt(this.#handle, offset, Math.min(length, this.size - offset));
      const lines = bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
      if (lines.length > 0) {
        return { offset, bytes: lines, records: countRecords(lines), end: offset + lines.length, tooLong: false };
      }
      // Nothing but the beginning of a line: of the file's last, which is not complete yet, or of one that is longer.
      if (bytes.length < length) return undefined;
      if (length > MAX_LINE) return await this.#skipLine(offset, chunkBytes);
    }
  }

  async #skipLine(offset: number, chunkBytes: number): Promise<FileChunk | undefined> {
    for (let at = offset; at < this.size; at += chunkBytes) {
      const bytes = await readAt(this.#handle, at, Math.min(chunkBytes, this.size - at));
      const newline = bytes.indexOf(NEWLINE);
      if (newline !== -1) {
        return { offset, bytes: Buffer.alloc(0), records: 1, end: at + newline + 1, tooLong: true };
      }
    }
    return undefined;
  }
}

/** A first line of any length names the file; of one that is too long to be sent its beginning does. */
async function readFirstLine(handle: FileHandle, size: number): Promise<Buffer | undefined> {
  for (let length = FIRST_READ; ; length = Math.min(length * 4, MAX_LINE)) {
    const bytes = await readAt(handle, 0, Math.min(length, size));
    const newline = bytes.indexOf(NEWLINE);
    if (newline !== -1) return bytes.subarray(0, newline);
    if (bytes.length < length) return undefined;
    if (length === MAX_LINE) return bytes;
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    // The file has shrunk under us: what is there is there.
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function countRecords(lines: Buffer): number {
  let records = 0;
  let start = 0;
  for (let end = lines.indexOf(NEWLINE); end !== -1; end = lines.indexOf(NEWLINE, start)) {
    if (!isBlank(lines.subarray(start, end))) records++;
    start = end + 1;
  }
  return records;
}
