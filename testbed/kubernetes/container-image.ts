import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { mustRun } from '../processes.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const DOCKERFILE = readFileSync(join(PROJECT, 'Dockerfile'), 'utf8');

/** What runs in the image where a container has no command of its own. */
export const ENTRYPOINT: readonly string[] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(DOCKERFILE)?.[1] ?? '[]');

/** Where the base image has it. */
export const NODE = '/usr/local/bin/node';

/** Becomes the container's user within it, without capabilities, and sees to it that it does not outlive the tests. */
export const SETPRIV = '/usr/bin/setpriv';

/**
 * The root file system of our image, made once in a folder of the testbed: Node.js with its libraries, what
 * the Dockerfile copies, and nothing else of this machine.
 */
export async function containerImage(directory: string): Promise<string> {
  const image = join(directory, 'image');
  if (existsSync(image)) return image;
  const draft = mkdtempSync(`${image}-`);
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(draft, to)), { recursive: true });
    cpSync(from, join(draft, to), { recursive: true, dereference: true });
  };
  copy(process.execPath, NODE);
  copy(SETPRIV, SETPRIV);
  for (const file of await librariesOf(process.execPath, SETPRIV)) copy(file, file);
  for (const [, from = '', to = ''] of DOCKERFILE.matchAll(/^COPY (.*) (\S+)$/gm)) {
    for (const name of from.split(' ')) copy(join(PROJECT, name), to.endsWith('/') ? `${to}${name}` : to);
  }
  try {
    renameSync(draft, image);
  } catch (error) {
    // Another test may have made it meanwhile.
    rmSync(draft, { recursive: true });
    if (!existsSync(image)) throw error;
  }
  return image;
}

/** The shared libraries of programs, and what loads them. */
async function librariesOf(...programs: readonly string[]): Promise<Set<string>> {
  const listed = await mustRun('ldd', programs);
  return new Set(
    listed
      .split('\n')
      .filter((line) => !line.endsWith(':'))
      .flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []),
  );
}

/** A copy of an image, for one container: the files are the same ones, since nobody writes to them. */
export function unpackImage(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) unpackImage(source, target);
    else linkSync(source, target);
  }
}
