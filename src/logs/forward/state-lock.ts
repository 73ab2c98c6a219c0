import { messageOf, UserError } from '../../errors.ts';
import { DirectoryInUse, DirectoryLock } from '../directory-lock.ts';

/** The exit code when another forwarder is at work: what there is to do is done. */
const IN_USE = 3;

/**
 * Keeps a state directory to one forwarder at a time: two would each save a checkpoint without the other's positions.
 * @throws UserError when another forwarder has it, or it cannot be used.
 */
export function lockState(directory: string): DirectoryLock {
  try {
    return DirectoryLock.acquire(directory);
  } catch (error) {
    throw error instanceof DirectoryInUse ? inUse(directory) : unusableState(directory, error);
  }
}

/** The state directory cannot be read or written: what was thrown, where it says so already. */
export function unusableState(directory: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return new UserError(`error: cannot use the state directory ${directory}: ${messageOf(error)}`, {
    hint: 'make it a directory that can be written and has room, or give another one with --state; what was shipped and is not remembered is sent again and not stored twice',
    cause: error,
  });
}

function inUse(directory: string): UserError {
  return new UserError(`error: another "kubectl mcm forward" is at work with the state directory ${directory}`, {
    exitCode: IN_USE,
    hint: 'nothing was done: wait until that one has ended, or give this one a directory of its own with --state',
  });
}
