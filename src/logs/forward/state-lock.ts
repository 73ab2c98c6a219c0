import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { messageOf, UserError } from '../../errors.ts';

const FILE = 'lock';

/** The exit code when another forwarder is at work: what there is to do is done. */
const IN_USE = 3;

/** SQLite's result code for a file that another process has locked. */
const SQLITE_BUSY = 5;

/**
 * Keeps a state directory to one forwarder at a time: two would each save a checkpoint without the other's positions.
 *
 * The lock is the kernel's own, on a file that stays empty; SQLite is only how Node.js gets at it. The kernel lets go
 * of it when the process ends, however it ends, so that there is no stale lock to recognize, and it holds between
 * containers that share the directory, where neither process ids nor abstract sockets of the other can be seen.
 */
export class StateLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Makes the directory if need be.
   * @throws UserError when another forwarder has it, or it cannot be used.
   */
  static acquire(directory: string): StateLock {
    let database: DatabaseSync | undefined;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      accessSync(directory, constants.W_OK);
      database = new (sqlite().DatabaseSync)(join(directory, FILE), { timeout: 0 });
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new StateLock(database);
    } catch (error) {
      database?.close();
      throw isBusy(error) ? inUse(directory) : unusableState(directory, error);
    }
  }

  release(): void {
    this.#database.close();
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

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

/** Node.js 22 has it as an experiment, and would say so on stderr in every run. */
function sqlite(): typeof import('node:sqlite') {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
