import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { systemWords } from '../../errors.ts';
import { corednsPod } from '../coredns/query-record.ts';
import { isBlank, MAX_LINE } from '../record/lines.ts';
import { fileKey } from '../record/source.ts';
import { CorednsBytes } from './coredns-bytes.ts';
import { type FileBytes, PlainBytes } from './file-bytes.ts';
import { type FileChunk, NEWLINE, TAIL_BYTES, wholeLines } from './file-chunk.ts';
import { GzipBytes } from './gzip-bytes.ts';

const FIRST_READ = 64 * 1024;

/** How much of a file's beginning is compared to see whether it is still the file that was opened. */
const HEAD_BYTES = 1024;

/** A place between two lines of a file. */
export interface FilePlace {
  readonly offset: number;
  /** Hash of the last bytes before `offset`, at most TAIL_BYTES. */
  readonly tail: string;
}

export const BEGINNING: FilePlace = { offset: 0, tail: tailHash(Buffer.alloc(0)) };

/** A file cannot be read on: it was truncated or overwritten meanwhile, or the system says no. */
export class FileTrouble extends Error {
  override readonly name = 'FileTrouble';
}

/** One log file, as far as it was written when it was looked at last: when it was opened or refreshed. */
export class LogFile {
  /** Where it was last seen. */
  path: string;
  /** Decimal numbers, as the system has them: they need 64 bits. */
  readonly device: string;
  readonly inode: string;
  /** Bytes that the system said were in it when it was opened. */
  readonly openedSize: number;
  /** See fileKey; undefined while there is no complete line but blank ones. */
  readonly key: string | undefined;
  readonly #bytes: FileBytes;
  #size: number;
  #head: Buffer;
  #unfinished = 0;

  private constructor({ path, device, inode, size }: FoundFile, bytes: FileBytes, content: FileContent) {
    this.path = path;
    this.device = device;
    this.inode = inode;
    this.openedSize = size;
    this.key = content.key;
    this.#bytes = bytes;
    this.#size = content.size;
    this.#head = content.head;
  }

  /** @throws Error when it is no regular file, or the system's error: ENOENT, EACCES ... */
  static async open(path: string): Promise<LogFile> {
    const found = await openFile(path);
    const bytes = recordsIn(path, new PlainBytes(found.handle));
    return await closedOnFailure(bytes, async () => new LogFile(found, bytes, await readContent(bytes)));
  }

  /**
   * Opens a file that was compressed as what it is uncompressed, if it is the one of that key.
   * @throws as `open` does, also when it is not whole.
   */
  static async openGzip(path: string, wanted: string): Promise<LogFile | undefined> {
    const found = await openFile(path);
    const bytes = recordsIn(path, new GzipBytes(found.handle));
    return await closedOnFailure(bytes, async () => {
      // Before all of it is unpacked.
      const key = await readKey(bytes, Number.POSITIVE_INFINITY);
      if (key === wanted) return new LogFile(found, bytes, await readContent(bytes));
      await bytes.close();
      return undefined;
    });
  }

  /** Bytes in it when it was looked at last. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes what was written since.
   * @throws FileTrouble when it is not as it was, as far as its size and beginning show; `chunks` looks closer.
   */
  async refresh(): Promise<void> {
    await this.#guarded(async () => {
      const size = await this.#bytes.size();
      const head = await this.#bytes.readAt(0, Math.min(size, HEAD_BYTES));
      if (size < this.#size || !head.subarray(0, this.#head.length).equals(this.#head)) throw changed();
      this.#head = head;
      this.#size = size;
    });
  }

  /** Bytes of a last line that has no end yet; known once all chunks were read, and mostly with the last one. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Whether this file, whatever it is called, is the one that a position was in: it begins and goes on as that one. */
  async holds({ fileKey: key, offset, tail }: FilePlace & { readonly fileKey: string }): Promise<boolean> {
    return key === this.key && offset <= this.size && tailHash(await this.#before(offset)) === tail;
  }

  /** Where its last complete line ends, not before `offset`. */
  async endOfLines(offset: number): Promise<number> {
    for (let end = this.size; end > offset; ) {
      const start = Math.max(offset, end - FIRST_READ);
      const newline = (await this.#bytes.readAt(start, end - start)).lastIndexOf(NEWLINE);
      if (newline !== -1) return start + newline + 1;
      end = start;
    }
    return offset;
  }

  /**
   * Its complete lines from a place on, in chunks of at most about `chunkBytes` (a longer line is one by itself).
   * A chunk's bytes may stand in memory from `spare`: whoever gave it takes it back when they are done with the chunk.
   * @throws FileTrouble when it is not as it was when it was opened; no chunk ever has bytes of another file.
   */
  async *chunks(
    { offset, tail }: FilePlace,
    chunkBytes: number,
    spare: () => Buffer | undefined = () => undefined,
  ): AsyncGenerator<FileChunk, void, void> {
    this.#unfinished = 0;
    let before = await this.#guarded(() => this.#before(offset));
    if (tailHash(before) !== tail) throw changed();
    let at = offset;
    while (at < this.size) {
      const chunk = await this.#guarded(() => this.#checkedChunk(at, chunkBytes, before, spare()));
      if (chunk === undefined) {
        this.#unfinished = this.size - at;
        return;
      }
      // It was read up to the file's end, so no line ends behind it.
      if (at + chunkBytes >= this.size) this.#unfinished = this.size - chunk.end;
      yield chunk;
      before = chunk.after;
      at = chunk.end;
    }
  }

  async close(): Promise<void> {
    await this.#bytes.close();
  }

  async #guarded<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof FileTrouble) throw error;
      throw new FileTrouble(systemWords(error), { cause: error });
    }
  }

  async #checkedChunk(
    offset: number,
    chunkBytes: number,
    before: Buffer,
    memory: Buffer | undefined,
  ): Promise<FileChunk | undefined> {
    const chunk = await this.#chunkAt(offset, chunkBytes, before, memory);
    // After reading and before anybody sees it: what is as it was now has been so when it was read.
    const pieces = [
      { position: 0, bytes: this.#head },
      { position: offset - before.length, bytes: before },
    ];
    if (!(await this.#bytes.isStill(this.size, pieces))) throw changed();
    return chunk;
  }

  async #chunkAt(
    offset: number,
    chunkBytes: number,
    before: Buffer,
    memory: Buffer | undefined,
  ): Promise<FileChunk | undefined> {
    for (let length = chunkBytes; ; length = Math.min(length * 2, MAX_LINE + 1)) {
      const bytes = await this.#bytes.readAt(offset, Math.min(length, this.size - offset), memory);
      const lines = bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
      if (lines.length > 0) return wholeLines(offset, lines, before);
      // Nothing but the beginning of a line: of the file's last, which is not complete yet, or of one that is longer.
      if (bytes.length < length) return undefined;
      if (length > MAX_LINE) return await this.#cutLine(offset, bytes, chunkBytes, before);
    }
  }

  /** A line that is too long: as much of it as shows the manager that it is. */
  async #cutLine(offset: number, bytes: Buffer, step: number, before: Buffer): Promise<FileChunk | undefined> {
    for (let at = offset + bytes.length; at < this.size; at += step) {
      const newline = (await this.#bytes.readAt(at, Math.min(step, this.size - at))).indexOf(NEWLINE);
      if (newline === -1) continue;
      const end = at + newline + 1;
      const line = Buffer.concat([bytes, Buffer.of(NEWLINE)]);
      return { offset, bytes: line, records: 1, end, before, after: await this.#before(end) };
    }
    return undefined;
  }

  async #before(offset: number): Promise<Buffer> {
    const length = Math.min(offset, TAIL_BYTES);
    return await this.#bytes.readAt(offset - length, length);
  }
}

function changed(): FileTrouble {
  return new FileTrouble('it was truncated or overwritten while it was read');
}

interface FoundFile {
  readonly path: string;
  readonly device: string;
  readonly inode: string;
  readonly size: number;
}

/** CoreDNS's log, where kubelet keeps it, is shipped as the DNS records of the queries in it. */
function recordsIn(path: string, bytes: FileBytes): FileBytes {
  const pod = corednsPod(path);
  return pod === undefined ? bytes : new CorednsBytes(bytes, pod);
}

async function openFile(path: string): Promise<FoundFile & { readonly handle: FileHandle }> {
  // Nothing is waited for: the other end of a pipe may never come.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return await closedOnFailure(handle, async () => {
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw new Error(stat.isDirectory() ? 'is a directory' : 'is not a regular file');
    return { path, device: String(stat.dev), inode: String(stat.ino), size: Number(stat.size), handle };
  });
}

async function closedOnFailure<T>(open: { close(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await open.close();
    throw error;
  }
}

interface FileContent {
  readonly size: number;
  readonly key: string | undefined;
  readonly head: Buffer;
}

async function readContent(bytes: FileBytes): Promise<FileContent> {
  const size = await bytes.size();
  return { size, key: await readKey(bytes, size), head: await bytes.readAt(0, Math.min(size, HEAD_BYTES)) };
}

/** FilePlace's `tail`. A hash, since a checkpoint is no place for what stands in logs. */
export function tailHash(tail: Buffer): string {
  return createHash('sha256').update(tail).digest('hex').slice(0, 32);
}

/** The first line that is not blank names the file, however long it is; of one too long to be sent its beginning. */
async function readKey(file: FileBytes, size: number): Promise<string | undefined> {
  const firstLine = await readFirstLine(file, size);
  return firstLine === undefined ? undefined : fileKey(firstLine);
}

async function readFirstLine(file: FileBytes, size: number): Promise<Buffer | undefined> {
  for (let start = 0, length = FIRST_READ; start < size; ) {
    const bytes = await file.readAt(start, Math.min(length, size - start));
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      const line = bytes.subarray(from, end);
      if (!isBlank(line)) return line;
      from = end + 1;
    }
    start += from;
    if (from > 0) continue;
    if (bytes.length < length) return undefined;
    if (length === MAX_LINE) return bytes;
    length = Math.min(length * 4, MAX_LINE);
  }
  return undefined;
}
