import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemWords, UserError } from '../../errors.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { toYaml } from '../print.ts';

/** Objects as files of a directory, one each, numbered in the order to apply them. */
export class ObjectFiles {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Takes the place, which must be new or empty. @throws UserError */
  static reserve(directory: string): ObjectFiles {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      if (readdirSync(directory).length > 0)
        throw new UserError(`error: cannot write to ${directory}: it is not empty`);
      return new ObjectFiles(directory);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`error: cannot write to ${directory}: ${systemWords(error)}`);
    }
  }

  /** @returns the files' paths */
  write(objects: readonly KubeObject[]): readonly string[] {
    return objects.map((object, at) => {
      const { kind, metadata } = object;
      const number = String(at + 1).padStart(2, '0');
      const path = join(this.directory, `${number}-${kind.toLowerCase()}-${metadata.name}.yaml`);
      // Among them are private keys.
      writeFileSync(path, toYaml([object]), { flag: 'wx', mode: 0o600 });
      return path;
    });
  }

  discard(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
