import type { KubeObject } from './objects.ts';
import { isStatus } from './status.ts';

export interface WriteAsReadOptions<T> {
  readonly read: () => Promise<T>;
  /** Whether what counts of the object is still as it was when the write was decided. */
  readonly isSame: (current: T) => boolean;
}

/**
 * Writes to an object as it was read. Where somebody has written to it since, again, for as long as that is no change of
 * what counts: the manager writes what it notes and answers at any time. @throws StatusError 409 where it is one
 */
export async function writeAsRead<T extends KubeObject, Written>(
  asRead: T,
  write: (resourceVersion: string | undefined) => Promise<Written>,
  { read, isSame }: WriteAsReadOptions<T>,
): Promise<Written> {
  for (let current = asRead; ; ) {
    try {
      return await write(current.metadata.resourceVersion);
    } catch (error) {
      if (!isStatus(error, 409)) throw error;
      current = await read();
      if (!isSame(current)) throw error.withHint('somebody has changed it in this moment: try again');
    }
  }
}
