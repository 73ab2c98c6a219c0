import { closeSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { systemWords, UserError } from '../../errors.ts';
import type { FlagSpec } from '../command.ts';

/** Of commands that make the manifest by which a cluster connects: where it goes. */
export const MANIFEST_FLAGS = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FILE',
    description: 'Write the manifest to this new file (mode 0600) instead of printing it.',
  },
  'managed-context': {
    type: 'string',
    value: 'NAME',
    completes: 'contexts',
    description: 'Apply the manifest to the cluster of this kubeconfig context.',
  },
} as const satisfies Record<string, FlagSpec>;

/** What people write who want the manifest on stdout, where it goes anyway. */
const STDOUT: readonly string[] = ['-', 'yaml'];

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

  /** undefined where no file is asked for. */
  static reserve(path: string | undefined): ManifestFile | undefined {
    if (path === undefined || STDOUT.includes(path)) return undefined;
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
