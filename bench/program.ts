import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';

/** Clock ticks a second in /proc: the same on every Linux that Node.js runs on. */
const TICKS = 100;

/** Seconds of processor time that a process has used so far, all its threads together. */
export function cpuSecondsOf(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which is in parentheses and may hold anything; utime and stime are the 14th and 15th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** What of a process is resident now, in MiB. */
export function residentMemoryOf(pid: number | undefined): number {
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** A program that says what it has to say in lines of JSON. */
export class Program {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, args: readonly (string | number)[], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(command, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'], env });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no output');
    const lines: Interface = createInterface({ input: stdout });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** The next line. @throws Error when the program ends instead. */
  async next<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`${this.#child.spawnargs.join(' ')} ended`);
    return JSON.parse(value) as T;
  }

  /** Gives it a line on its input. */
  send(line: object): void {
    this.#child.stdin?.write(`${JSON.stringify(line)}\n`);
  }

  /** Seconds of processor time that it has used so far, all threads together. */
  cpuSeconds(): number {
    return cpuSecondsOf(this.#child.pid);
  }

  /** The most memory that was resident so far, in MiB. */
  peakMemory(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) / 1024;
  }

  /** Its exit code or the signal that ended it; undefined while it runs. */
  get ended(): number | NodeJS.Signals | undefined {
    return this.#child.exitCode ?? this.#child.signalCode ?? undefined;
  }

  /** Lets it know by the end of its input that it should finish. */
  finish(): void {
    this.#child.stdin?.end();
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
