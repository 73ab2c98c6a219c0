import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';

const FILE = 'lock';

/** SQLite's result code for a file that another process has locked. */
const SQLITE_BUSY = 5;

/** Another process has the directory. */
export class DirectoryInUse extends Error {
  override readonly name = 'DirectoryInUse';
}

/**
 * Keeps a directory to one process at a time.
 *
 * The lock is the kernel's own, on a file that stays empty; SQLite is only how Node.js gets at it. The kernel lets go
 * of it when the process ends, however it ends, so that there is no stale lock to recognize, and it holds between
 * containers that share the directory, where neither process ids nor abstract sockets of the other can be seen.
 */
export class DirectoryLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Makes the directory if need be.
   * @throws DirectoryInUse
   * @throws Error when it cannot be made or written to.
   */
  static acquire(directory: string): DirectoryLock {
    let database: DatabaseSync | undefined;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      accessSync(directory, constants.W_OK);
      database = new (sqlite().DatabaseSync)(join(directory, FILE), { timeout: 0 });
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new DirectoryLock(database);
    } catch (error) {
      database?.close();
      throw isBusy(error) ? new DirectoryInUse(`${directory} is in use`, { cause: error }) : error;
    }
  }

  release(): void {
    this.#database.close();
  }
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
