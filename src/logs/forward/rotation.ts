import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Position } from './checkpoint.ts';
import { LogFile } from './log-file.ts';

/**
 * Finds the file that a position was in, now that it is not at its path any more: renamed in its directory (the inode
 * says so), or copied to a name that begins alike before it was truncated (logrotate's copytruncate). What is found
 * is open; a compressed file is not found.
 */
export async function findRotated(position: Position): Promise<LogFile | undefined> {
  for (const path of await candidates(position)) {
    const file = await LogFile.open(path).catch(() => undefined);
    if (await file?.holds(position)) return file;
    await file?.close();
  }
  return undefined;
}

/** `flows.log.1`, `flows-20261122.log` and the like for `flows.log`, behind what has the inode. */
async function candidates({ path, device, inode }: Position): Promise<readonly string[]> {
  const directory = dirname(path);
  const stem = basename(path, extname(path));
  const renamed: string[] = [];
  const alike: string[] = [];
  for (const name of (await readdir(directory).catch(() => [])).sort()) {
    const candidate = join(directory, name);
    const found = await stat(candidate, { bigint: true }).catch(() => undefined);
    if (found === undefined) continue;
    if (String(found.ino) === inode && String(found.dev) === device) renamed.push(candidate);
    else if (name.startsWith(stem)) alike.push(candidate);
  }
  return [...renamed, ...alike];
}
