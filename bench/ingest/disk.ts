import { open, rm } from 'node:fs/promises';

/**
 * How fast the disk takes bytes that are synced: writes so many one after the other to a new file, and syncs it after each
 * piece. Bytes a second.
 */
export async function syncedWriteRate(path: string, bytes: number, piece: number): Promise<number> {
  const source = Buffer.alloc(piece, 'kubectl-mcm');
  const file = await open(path, 'wx');
  const started = performance.now();
  try {
    for (let at = 0; at < bytes; at += piece) {
      await file.write(source, 0, Math.min(piece, bytes - at), at);
      await file.datasync();
    }
    return bytes / ((performance.now() - started) / 1000);
  } finally {
    await file.close();
    await rm(path);
  }
}
