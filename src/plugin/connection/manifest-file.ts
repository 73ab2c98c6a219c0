import { closeSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { systemWords, UserError } from '../../errors.ts';

/**
 * The manifest on disk. Its place is taken before the cluster is registered, and never one where something is: that
 * could be the only keys of another cluster.
 */
export class ManifestFile {
  readonly path: string;
  readonly #descriptor: number;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  static reserve(path: string): ManifestFile {
    try {
      return new ManifestFile(path, openSync(path, 'wx', 0o600));
    } catch (error) {
      throw new UserError(`error: cannot write ${path}: ${systemWords(error)}`);
    }
  }

  write(text: string): void {
    writeFileSync(this.#descriptor, text);
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
  }

  discard(): void {
    rmSync(this.path, { force: true });
  }
}
