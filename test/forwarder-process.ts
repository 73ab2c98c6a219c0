import type { Outcome } from '../testbed/processes.ts';
import type { Workbench } from '../testbed/testbed.ts';
import { eventually, mcm } from './harness.ts';

/** A line of a forwarder's log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
}

/** `kubectl mcm forward` at work. */
export class ForwarderProcess {
  readonly #ended: Promise<Outcome>;
  #pid = 0;
  #output = '';

  /** @param env what its environment has beyond a user's. */
  constructor(workbench: Workbench, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#ended = mcm(workbench, ['forward', ...args], {
      env,
      onStart: (child) => {
        this.#pid = child.pid ?? 0;
      },
      onOutput: (text) => {
        this.#output += text;
      },
    });
  }

  /** kubectl has become our process by exec, so this is the forwarder itself. */
  get pid(): number {
    return this.#pid;
  }

  get log(): readonly LogLine[] {
    const whole = this.#output.slice(0, this.#output.lastIndexOf('\n') + 1);
    return whole.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : []));
  }

  /** What it has said that somebody should look at. */
  get errors(): readonly string[] {
    return this.log.filter(({ level }) => level >= 50).map(({ msg }) => msg);
  }

  /** That, and what it has warned of. */
  get trouble(): readonly string[] {
    return this.log.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  }

  /** Resolves when it has ended, however that came. */
  get ended(): Promise<Outcome> {
    return this.#ended;
  }

  async says(text: RegExp): Promise<void> {
    await eventually(async () => this.log.some(({ msg }) => text.test(msg)), 30_000);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.#pid, name);
  }

  /** Ends it by a signal. */
  async end(name: NodeJS.Signals = 'SIGTERM'): Promise<Outcome> {
    this.signal(name);
    return await this.#ended;
  }
}
