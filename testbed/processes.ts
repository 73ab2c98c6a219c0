import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly input?: string;
  /** Told of output as it comes. */
  readonly onOutput?: (text: string) => void;
  /** Given the process once it runs, for those who want to kill it. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs a program to its end. Rejects only when it cannot be started. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(command, args, { env: options.env ?? process.env, cwd: options.cwd });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onOutput?.(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onOutput?.(text);
  });
  // A program that does not read its input is no error of ours.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  options.onStart?.(child);
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Runs a program that must succeed. @throws Error with the end of its output. */
export async function mustRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await run(command, args, options);
  if (code === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')}: ${signal ?? `exit code ${code}`}\n${(stderr || stdout).slice(-4000)}`);
}

const PARENT_DEATH = '/usr/bin/setpriv';

/** A command that the kernel kills when the process which started it is gone, however it went (Linux). */
export function guarded(command: string, args: readonly string[]): readonly [string, readonly string[]] {
  return existsSync(PARENT_DEATH) ? [PARENT_DEATH, ['--pdeathsig', 'KILL', '--', command, ...args]] : [command, args];
}

/** A server of the testbed, as a process of its own. */
export class ServerProcess {
  readonly name: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #running = true;

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    options: { readonly logFile: string; readonly env?: NodeJS.ProcessEnv },
  ) {
    this.name = name;
    this.logFile = options.logFile;
    mkdirSync(dirname(options.logFile), { recursive: true });
    const log = openSync(options.logFile, 'a');
    this.#child = spawn(
      ...guarded(command, args),
      // A process group of its own: Ctrl-C on the terminal must not reach it before its owner stops it in order.
      { stdio: ['ignore', log, log], env: options.env ?? process.env, detached: true },
    );
    this.#ended = new Promise<void>((resolve) => {
      this.#child.once('error', () => resolve());
      this.#child.once('exit', () => resolve());
    }).then(() => {
      this.#running = false;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#running;
  }

  /** null while it runs, and where a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Asks until `ready` says so. @throws Error with the end of the log when the process ends first, or in a minute. */
  async untilReady(ready: () => Promise<boolean>, timeout = 60_000): Promise<void> {
    const deadline = Date.now() + timeout;
    while (Date.now() < deadline && this.#running) {
      if (await ready().catch(() => false)) return;
      await sleep(100);
    }
    const why = this.#running ? `was not ready after ${timeout / 1000} s` : 'ended';
    throw new Error(`${this.name} ${why}; its log ends with:\n${readFileSync(this.logFile, 'utf8').slice(-3000)}`);
  }

  /** Ends it and waits until it has; what does not go by itself in time is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patience = 15_000): Promise<void> {
    if (!this.#running) return;
    this.#child.kill(signal);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), patience);
    await this.#ended;
    clearTimeout(late);
  }
}

/** Below those that systems give to outgoing connections: a port that is free now must not be such a one's next. */
const FIRST_PORT = 15_000;
const PORTS = 15_000;

/** Ports that nothing listens on now, and that no test is given until this process ends. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if ((await isFree(port)) && (await claim(port))) ports.push(port);
  }
  return ports;
}

/** What is given a port may take long to start: until then its UDP port, which nobody has a use for, tells others. */
async function claim(port: number): Promise<boolean> {
  const held = createSocket('udp4').unref();
  return await new Promise((resolve) => {
    held.once('error', () => {
      held.close();
      resolve(false);
    });
    held.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
