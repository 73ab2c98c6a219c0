import type { TestContext } from 'node:test';
import type { Outcome } from '../testbed/processes.ts';
import type { Workbench } from '../testbed/testbed.ts';
import { eventually, mcm } from './harness.ts';

/** `kubectl mcm logs -f` at work. */
export class Follower {
  readonly ended: Promise<Outcome>;
  #pid: number | undefined;
  #text = '';

  constructor(workbench: Workbench, args: readonly string[], t: TestContext) {
    t.after(() => this.stop());
    this.ended = mcm(workbench, ['logs', '-f', ...args], {
      onStart: (child) => {
        this.#pid = child.pid;
      },
      onOutput: (text) => {
        this.#text += text;
      },
    }).finally(() => {
      this.#pid = undefined;
    });
  }

  /** Whole lines of what it has printed so far, and of what it has said. */
  get lines(): readonly string[] {
    return this.#text.split('\n').slice(0, -1);
  }

  async prints(text: string | RegExp, timeout?: number): Promise<void> {
    const matches = (line: string) => (typeof text === 'string' ? line === text : text.test(line));
    await eventually(async () => this.lines.some(matches), timeout).catch(() => {
      throw new Error(`${text} was not printed, but\n${this.#text.slice(-2000)}`);
    });
  }

  /** Stops it where it is, and lets it go on. */
  pause(): void {
    if (this.#pid !== undefined) process.kill(this.#pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.#pid !== undefined) process.kill(this.#pid, 'SIGCONT');
  }

  /** Ends it as Ctrl-C does. */
  async stop(): Promise<Outcome> {
    if (this.#pid !== undefined) process.kill(this.#pid, 'SIGINT');
    return await this.ended;
  }
}
