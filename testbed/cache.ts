import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where this machine keeps what is built once: `$XDG_CACHE_HOME/kubectl-mcm`. */
const ROOT = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'kubectl-mcm');

/**
 * A folder that `make` fills once per machine and content of `inputs`. It appears under its name only when it is
 * complete, so that an interrupted build leaves nothing that looks like one.
 */
export async function cached(
  name: string,
  inputs: readonly (string | Buffer)[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(input).update('\0');
  const folder = join(ROOT, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const draft = `${folder}.${randomUUID()}`;
  mkdirSync(draft, { recursive: true });
  try {
    await make(draft);
    renameSync(draft, folder);
  } catch (error) {
    // Another process may have finished the same build meanwhile.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}
