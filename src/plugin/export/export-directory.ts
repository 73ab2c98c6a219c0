import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { messageOf, UserError } from '../../errors.ts';
import { DirectoryInUse, DirectoryLock } from '../../logs/directory-lock.ts';
import { syncDirectory, writeSynced } from '../../logs/forward/state-file.ts';
import type { Manifest, Question } from './manifest.ts';

const MANIFEST = 'manifest.json';
const DRAFT = '.draft';

/** A folder that is kept to one process, and not shown. */
const LOCK = '.lock';

/** Milliseconds between two saves: a fleet has thousands of small files, and the manifest names them all. */
const BETWEEN_SAVES = 1_000;

/**
 * The folder of one export, which one process at a time works on. A file has its name only once it is whole and on disk;
 * files that the manifest does not name yet are read again.
 */
export class ExportDirectory {
  readonly path: string;
  readonly manifest: Manifest;
  readonly #lock: DirectoryLock;
  #saved = 0;

  private constructor(path: string, manifest: Manifest, lock: DirectoryLock) {
    this.path = path;
    this.manifest = manifest;
    this.#lock = lock;
  }

  /**
   * The export that is there already, or the one that `begin` makes.
   * @throws UserError where the folder has something else, another question's export, or is in use
   */
  static async open(path: string, question: Question, begin: () => Promise<Manifest>): Promise<ExportDirectory> {
    const lock = lockOf(path);
    try {
      const found = readManifest(path);
      if (found !== undefined) refuseOther(path, found.question, question);
      const directory = new ExportDirectory(path, found ?? (await begin()), lock);
      directory.#removeUnnamed();
      if (found === undefined) await directory.save();
      return directory;
    } catch (error) {
      lock.release();
      if (!namesIn(path).includes(MANIFEST)) rmSync(join(path, LOCK), { recursive: true, force: true });
      throw error;
    }
  }

  /** A file that is being written; `commit` gives it its name once it is on disk. */
  async draft(name: string): Promise<{ readonly path: string; readonly commit: () => Promise<void> }> {
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const commit = async () => {
      await rename(`${path}${DRAFT}`, path);
      await syncDirectory(dirname(path));
    };
    return { path: `${path}${DRAFT}`, commit };
  }

  /** Saves the manifest, unless that was just done. */
  async saveSometimes(): Promise<void> {
    if (performance.now() - this.#saved >= BETWEEN_SAVES) await this.save();
  }

  /** Resolves once the manifest is on disk as it is now. Not to be called again before. */
  async save(): Promise<void> {
    this.#saved = performance.now();
    const path = join(this.path, MANIFEST);
    await rm(`${path}${DRAFT}`, { force: true });
    await writeSynced(`${path}${DRAFT}`, [`${JSON.stringify(this.manifest, undefined, 2)}\n`]);
    await rename(`${path}${DRAFT}`, path);
    await syncDirectory(this.path);
  }

  release(): void {
    this.#lock.release();
    if (this.manifest.finished) rmSync(join(this.path, LOCK), { recursive: true, force: true });
  }

  /** What a process that was killed had not put into the manifest is read again. */
  #removeUnnamed(): void {
    const named = new Set(this.manifest.logs.flatMap(({ files }) => files.map(({ name }) => name)));
    for (const type of new Set(this.manifest.logs.map((log) => log.type))) {
      for (const file of namesIn(join(this.path, type))) {
        if (!named.has(`${type}/${file}`)) rmSync(join(this.path, type, file));
      }
    }
  }
}

function lockOf(path: string): DirectoryLock {
  try {
    const others = namesIn(path).filter((name) => name !== LOCK);
    if (others.length > 0 && !others.includes(MANIFEST)) {
      throw new UserError(`error: ${path} is not empty, and has no export`, { hint: 'name a new folder' });
    }
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return DirectoryLock.acquire(join(path, LOCK));
  } catch (error) {
    if (error instanceof DirectoryInUse) throw new UserError(`error: another process is exporting into ${path}`);
    throw error instanceof UserError ? error : new UserError(`error: ${messageOf(error)}`, { cause: error });
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function readManifest(path: string): Manifest | undefined {
  if (!namesIn(path).includes(MANIFEST)) return undefined;
  const file = join(path, MANIFEST);
  try {
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
    if (manifest.version === 1) return manifest;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw new UserError(`error: ${messageOf(error)}`, { cause: error });
  }
  throw new UserError(`error: ${file} is not the manifest of an export by this version of kubectl mcm`);
}

const QUERY_OF = 'query of ';

/** A question with its types, and the query of each, as members of their own. */
function byName({ query, ...others }: Question): Question {
  const queries = Object.entries((query ?? {}) as Readonly<Record<string, unknown>>);
  const types = queries.map(([type]) => type).sort();
  return { ...others, type: types, ...Object.fromEntries(queries.map(([type, text]) => [`${QUERY_OF}${type}`, text])) };
}

function wordsOf(value: unknown): string {
  if (Array.isArray(value)) return value.join() || 'none';
  return value === null || value === undefined ? 'none' : JSON.stringify(value);
}

/** @throws UserError naming what is asked for otherwise */
function refuseOther(path: string, found: Question, asked: Question): void {
  // What JSON does not have is not there.
  const [was, is] = [found, JSON.parse(JSON.stringify(asked)) as Question].map(byName) as [Question, Question];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  const differing = names.filter((name) => !isDeepStrictEqual(was[name], is[name]));
  if (differing.length === 0) return;
  // Of a type that only one of them has, its name says enough.
  const told = differing.filter((name) => !name.startsWith(QUERY_OF) || (name in was && name in is));
  const words = told.map((name) => `${name} was ${wordsOf(was[name])}, is ${wordsOf(is[name])}`);
  throw new UserError(`error: ${path} has an export of another question: ${words.join('; ')}`, {
    hint: 'name another folder, or ask as before',
  });
}
