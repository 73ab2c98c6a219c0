import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Position } from './checkpoint.ts';
import { LogFile } from './log-file.ts';

/**
 * Finds the file that a position was in, now that it is not at its path any more: renamed in its directory (the inode
 * says so), or copied to a name that begins alike before it was truncated (logrotate's copytruncate). What is found
 * is open, also when it was compressed by gzip since.
 */
export async function findRotated(position: Position): Promise<LogFile | undefined> {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const before = await changeIn(dirname(position.path));
    const file = await lookForRotated(position);
    // What is renamed while it is looked for can be missed under both names.
    if (file !== undefined || before === (await changeIn(dirname(position.path)))) return file;
  }
  return undefined;
}

/** In a directory in which something changes all the time, it is not looked for without end. */
const MOST_LOOKS = 20;

async function lookForRotated(position: Position): Promise<LogFile | undefined> {
  for (const path of await candidates(position)) {
    const opening = isGzip(path) ? LogFile.openGzip(path, position.fileKey) : LogFile.open(path);
    const file = await opening.catch(() => undefined);
    if (await file?.holds(position)) return file;
    await file?.close();
  }
  return undefined;
}

/** Other than before when a name has come or gone. */
async function changeIn(directory: string): Promise<bigint | undefined> {
  const found = await stat(directory, { bigint: true }).catch(() => undefined);
  return found?.mtimeNs;
}

/** Nothing is written any more to what was compressed, so what was read to its end is done. */
export function isGzip(path: string): boolean {
  return path.endsWith('.gz');
}

/** Where a file has been moved to in its directory; undefined when it is not there. */
export async function findByInode(position: FileIdentity): Promise<string | undefined> {
  for (const path of await candidates(position)) if (await isAt(path, position)) return path;
  return undefined;
}

type FileIdentity = Pick<Position, 'path' | 'device' | 'inode'>;

/** Whether the file at a path is that one. */
export async function isAt(path: string, { device, inode }: Pick<FileIdentity, 'device' | 'inode'>): Promise<boolean> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found !== undefined && String(found.ino) === inode && String(found.dev) === device;
}

/** `flows.log.1`, `flows-20261122.log` and the like for `flows.log`, behind what has the inode. */
async function candidates(identity: FileIdentity): Promise<readonly string[]> {
  const directory = dirname(identity.path);
  const stem = basename(identity.path, extname(identity.path));
  const renamed: string[] = [];
  const alike: string[] = [];
  for (const name of (await readdir(directory).catch(() => [])).sort()) {
    const candidate = join(directory, name);
    if (await isAt(candidate, identity)) renamed.push(candidate);
    else if (name.startsWith(stem)) alike.push(candidate);
  }
  return [...renamed, ...alike];
}
