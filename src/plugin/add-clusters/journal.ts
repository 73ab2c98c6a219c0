import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, systemWords, UserError } from '../../errors.ts';
import { DirectoryInUse, DirectoryLock } from '../../logs/directory-lock.ts';

/**
 * How far a cluster is: its manifest is being written, is whole, its certificates are registered, the manifest is
 * applied. Each is noted before (`begun`) or after what it says is done.
 */
export type Step = 'begun' | 'written' | 'registered' | 'applied';

const FOLDER = '.add-cluster';
const FILE = 'journal';

/**
 * What runs of `add-cluster -f` have done, beside the manifests that they wrote: so that one which was killed can be run
 * again, and knows its own files and clusters from others'. Nothing secret is in it.
 */
export class Journal {
  readonly #steps: Map<string, Step>;
  readonly #descriptor: number;
  readonly #lock: DirectoryLock;

  private constructor(steps: Map<string, Step>, descriptor: number, lock: DirectoryLock) {
    this.#steps = steps;
    this.#descriptor = descriptor;
    this.#lock = lock;
  }

  /** Makes the directory if need be. @throws UserError where it cannot be written to, or another run is at it. */
  static open(directory: string): Journal {
    const folder = join(directory, FOLDER);
    try {
      const lock = DirectoryLock.acquire(folder);
      const path = join(folder, FILE);
      const steps = readSteps(path);
      const descriptor = openSync(path, 'a', 0o600);
      // A line that a kill has cut off must not swallow the next.
      appendFileSync(descriptor, '\n');
      return new Journal(steps, descriptor, lock);
    } catch (error) {
      if (error instanceof DirectoryInUse) {
        throw new UserError(`error: another "kubectl mcm add-cluster" writes to ${directory} at the moment`);
      }
      throw new UserError(`error: cannot write to ${directory}: ${systemWords(error)}`);
    }
  }

  stepOf(cluster: string): Step | undefined {
    return this.#steps.get(cluster);
  }

  note(cluster: string, step: Step): void {
    appendFileSync(this.#descriptor, `${JSON.stringify({ cluster, step })}\n`);
    this.#steps.set(cluster, step);
  }

  close(): void {
    closeSync(this.#descriptor);
    this.#lock.release();
  }
}

function readSteps(path: string): Map<string, Step> {
  const steps = new Map<string, Step>();
  for (const line of linesOf(path)) {
    try {
      const { cluster, step } = JSON.parse(line) as { readonly cluster: string; readonly step: Step };
      steps.set(cluster, step);
    } catch {
      // Cut off by a kill: as if it had not been noted, which is one look more at what is there.
    }
  }
  return steps;
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
