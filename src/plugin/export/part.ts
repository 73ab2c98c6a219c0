import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { PassThrough, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { ExportDirectory } from './export-directory.ts';
import type { ExportedFile } from './manifest.ts';

/** A file of an export while it is written. */
export class Part {
  readonly #name: string;
  readonly #path: string;
  readonly #input: Writable;
  readonly #written: Promise<void>;
  readonly #commit: () => Promise<void>;
  readonly #hash = createHash('sha256');
  #records = 0;
  #length = 0;
  #bytes = 0;

  private constructor(name: string, path: string, commit: () => Promise<void>) {
    this.#name = name;
    this.#path = path;
    this.#commit = commit;
    const input = name.endsWith('.gz') ? createGzip() : new PassThrough();
    const counting = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#hash.update(chunk);
        this.#bytes += chunk.length;
        done(null, chunk);
      },
    });
    this.#input = input;
    this.#written = pipeline(input, counting, createWriteStream(path, { mode: 0o600, flush: true }));
    // Whoever writes or commits hears of a failure.
    this.#written.catch(() => undefined);
  }

  /** `name` within the directory; with `.gz` at its end it is compressed. */
  static async begin(directory: ExportDirectory, name: string): Promise<Part> {
    const { path, commit } = await directory.draft(name);
    return new Part(name, path, commit);
  }

  /** Bytes so far, before they are compressed. */
  get length(): number {
    return this.#length;
  }

  /** Waits while the disk has enough for now. @throws what the system says of the disk */
  async write(lines: Buffer, records: number): Promise<void> {
    this.#records += records;
    this.#length += lines.length;
    const { promise: drained, resolve } = Promise.withResolvers<void>();
    if (!this.#input.write(lines)) {
      this.#input.once('drain', resolve);
      await Promise.race([drained, this.#written]);
    }
  }

  /** Resolves once it is on disk under its name. */
  async commit(): Promise<ExportedFile> {
    this.#input.end();
    await this.#written;
    await this.#commit();
    return { name: this.#name, records: this.#records, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** Stops, and makes room of what is written so far. */
  async abandon(): Promise<void> {
    this.#input.destroy();
    await this.#written.catch(() => undefined);
    await rm(this.#path, { force: true });
  }
}
