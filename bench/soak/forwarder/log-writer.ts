import { appendFileSync, copyFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Random } from '../../../fixtures/random.ts';
import { FaultDeck } from './fault-deck.ts';
import { LoggedFile } from './line-ledger.ts';
import type { LogLines } from './log-lines.ts';
import type { SavedPositions } from './saved-positions.ts';

export interface LogWriterOptions {
  /** The file that is written to; those that are rotated away get `.1`, `.2` ... behind it. */
  readonly log: string;
  /** Whether the forwarder finds the rotated ones by a pattern. */
  readonly isPattern: boolean;
  readonly lines: LogLines;
  readonly random: Random;
  /** What the forwarder has saved: what it may not lose, it has to know. */
  readonly saved: SavedPositions;
  /** Lets nothing go wrong on the way of records while it is waited for them. */
  readonly calm: (wait: () => Promise<boolean>) => Promise<boolean>;
}

/** A file that was rotated away; its place in the list is the number behind its name. */
interface RotatedFile {
  readonly file: LoggedFile;
  readonly isGzip: boolean;
}

const NEWLINE = Buffer.from('\n');

/** Rotated files that stay. */
const MOST_ROTATED = 6;

/** Milliseconds to wait until the forwarder has seen, or shipped, what would be lost otherwise. */
const PATIENCE = 2_500;

/**
 * A program that writes a log and rotates it in every way there is, and knows every line. It takes nothing away that a
 * forwarder must lose: compressed is what the forwarder has seen, and deleted what is shipped (docs/forward.md).
 */
export class LogWriter {
  /** All that was ever written. */
  readonly files: LoggedFile[] = [];
  /** How often the log was rotated in each way. */
  readonly rotations: Record<string, number>;
  /** Files that got the inode of one that was there before. */
  reusedInodes = 0;
  readonly #options: LogWriterOptions;
  readonly #kinds: Readonly<Record<string, () => Promise<boolean>>>;
  readonly #deck: FaultDeck;
  #rotated: RotatedFile[] = [];
  #current: LoggedFile;
  /** Whoever writes or rotates does it alone. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#kinds = {
      renamed: async () => await this.#rename(false),
      'renamed, with a writer that goes on': async () => await this.#rename(true),
      'copied and truncated': async () => await this.#copy(),
      'compressed after it was renamed': async () => await this.#compress(),
      'deleted and made anew': async () => await this.#remake(() => rmSync(options.log)),
      'overwritten in place': async () => await this.#remake(() => truncateSync(options.log)),
    };
    this.#deck = new FaultDeck(Object.keys(this.#kinds), options.random);
    this.rotations = Object.fromEntries(Object.keys(this.#kinds).map((kind) => [kind, 0]));
    this.#current = this.#begin();
  }

  /** Writes, and rotates now and then, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, log } = this.#options;
    for (let calm = 0; !signal.aborted; calm++) {
      await this.#alone(async () => await this.#write(this.#current, log));
      await sleep(random.between(30, 200));
      if (calm < 5 || !random.chance(0.2)) continue;
      await this.#alone(async () => await this.#rotate());
      calm = 0;
    }
  }

  /**
   * Waits until everything is shipped, and makes the log anew while nobody has it open: with its inode, where the file
   * system gives them again.
   */
  async remakeWithout(forwarder: { readonly end: () => Promise<void> }): Promise<void> {
    await this.#alone(async () => {
      const isShipped = await this.#isShipped();
      await forwarder.end();
      if (isShipped) this.#remakeNow(() => rmSync(this.#options.log));
    });
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  /** Some lines, at times in two pieces. */
  async #write(file: LoggedFile, path: string): Promise<void> {
    const { random, lines } = this.#options;
    const parts: Buffer[] = [];
    for (let count = random.between(1, 20); count > 0; count--) {
      const { bytes, poison } = lines.next();
      file.add(bytes, { poison });
      parts.push(bytes, NEWLINE);
    }
    const text = Buffer.concat(parts);
    const cut = random.chance(0.3) ? random.between(0, text.length) : text.length;
    appendFileSync(path, text.subarray(0, cut));
    if (cut < text.length) await sleep(random.between(0, 150));
    appendFileSync(path, text.subarray(cut));
  }

  async #rotate(): Promise<void> {
    const kind = this.#deck.next() ?? '';
    if ((await this.#kinds[kind]?.()) === true) this.rotations[kind] = (this.rotations[kind] ?? 0) + 1;
    this.#deleteOld();
  }

  async #rename(goesOn: boolean): Promise<boolean> {
    if (!(await this.#mayMove())) return false;
    const { log } = this.#options;
    const renamed = this.#current;
    this.#shift();
    renameSync(log, `${log}.1`);
    if (goesOn) await this.#write(renamed, `${log}.1`);
    this.#current = this.#begin();
    if (goesOn) await this.#write(renamed, `${log}.1`);
    return true;
  }

  async #copy(): Promise<boolean> {
    if (!(await this.#mayMove())) return false;
    const { log } = this.#options;
    this.#shift();
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
    this.#current = this.#begin();
    return true;
  }

  /** Without a pattern nobody can know of a file that came and went unseen. */
  async #mayMove(): Promise<boolean> {
    const { isPattern, saved } = this.#options;
    return this.#current.key !== undefined && (isPattern || (await this.#until(() => saved.isKnown(this.#current))));
  }

  /** As gzip does it: the old file is there until the new one is whole. */
  async #compress(): Promise<boolean> {
    const { saved } = this.#options;
    const at = this.#rotated.findIndex(({ file, isGzip }) => !isGzip && saved.isKnown(file));
    const found = this.#rotated[at];
    if (found === undefined) return false;
    const path = this.#pathOf(at);
    const packed = gzipSync(await readFile(path));
    const half = Math.floor(packed.length / 2);
    writeFileSync(`${path}.gz`, packed.subarray(0, half));
    await sleep(this.#options.random.between(0, 50));
    appendFileSync(`${path}.gz`, packed.subarray(half));
    rmSync(path);
    this.#rotated[at] = { file: found.file, isGzip: true };
    return true;
  }

  async #remake(clear: () => void): Promise<boolean> {
    if (!(await this.#isShipped())) return false;
    this.#remakeNow(clear);
    return true;
  }

  #remakeNow(clear: () => void): void {
    const { log } = this.#options;
    const before = statSync(log).ino;
    clear();
    this.#current = this.#begin();
    if (statSync(log).ino === before) this.reusedInodes++;
  }

  async #isShipped(): Promise<boolean> {
    const { saved, calm } = this.#options;
    if (this.#current.key === undefined) return false;
    return await calm(async () => await this.#until(() => saved.isShipped(this.#current)));
  }

  /** A new file at the log's path, with a first line. */
  #begin(): LoggedFile {
    const file = new LoggedFile();
    const { bytes, poison } = this.#options.lines.next();
    file.add(bytes, { poison });
    this.files.push(file);
    appendFileSync(this.#options.log, Buffer.concat([bytes, NEWLINE]));
    return file;
  }

  #shift(): void {
    for (let at = this.#rotated.length - 1; at >= 0; at--) {
      const { log } = this.#options;
      const suffix = this.#rotated[at]?.isGzip === true ? '.gz' : '';
      renameSync(this.#pathOf(at), `${log}.${at + 2}${suffix}`);
    }
    this.#rotated.unshift({ file: this.#current, isGzip: false });
  }

  #pathOf(at: number): string {
    return `${this.#options.log}.${at + 1}${this.#rotated[at]?.isGzip === true ? '.gz' : ''}`;
  }

  /** As many as are shipped of those that are too many, the oldest first. */
  #deleteOld(): void {
    for (let at = this.#rotated.length - 1; at >= MOST_ROTATED; at--) {
      const file = this.#rotated[at]?.file;
      if (file === undefined || !this.#options.saved.isShipped(file)) return;
      rmSync(this.#pathOf(at));
      this.#rotated = this.#rotated.slice(0, at);
    }
  }

  async #until(check: () => boolean): Promise<boolean> {
    for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await sleep(20)) {
      if (check()) return true;
    }
    return false;
  }
}
