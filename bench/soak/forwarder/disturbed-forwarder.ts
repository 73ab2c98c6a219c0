import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../fixtures/random.ts';
import { ForwarderProcess } from '../../../test/forwarder-process.ts';
import { mustRun } from '../../../testbed/processes.ts';
import type { Workbench } from '../../../testbed/testbed.ts';

const CLOCK = join(import.meta.dirname, 'stepped-clock.ts');
/** A forwarder that is killed, started again, whose clock is set and whose disk is full at times. */
export class DisturbedForwarder {
  /** What it has said that somebody should look at, in all its lives. */
  readonly trouble: string[] = [];
  readonly #workbench: Workbench;
  readonly #args: readonly string[];
  readonly #random: Random;
  readonly #steps: readonly number[];
  #process: ForwarderProcess | undefined;
  /** Rejects when it has ended although nobody has asked it to. */
  #alive: Promise<never> = new Promise(() => undefined);

  /** @param steps milliseconds by which its clock may be off. */
  constructor(workbench: Workbench, args: readonly string[], steps: readonly number[], random: Random) {
    this.#workbench = workbench;
    this.#args = args;
    this.#steps = steps;
    this.#random = random;
  }

  /** @param clockIsOff from the beginning, as after a machine has started; otherwise it can be set later. */
  start(clockIsOff = false): void {
    const env = {
      NODE_OPTIONS: `--import=${CLOCK}`,
      CLOCK_AHEAD: String(this.#random.pick(this.#steps)),
      CLOCK_IS_OFF: clockIsOff ? 'yes' : 'no',
    };
    const process = new ForwarderProcess(this.#workbench, this.#args, env);
    this.#process = process;
    this.#alive = process.ended.then(({ code, signal, stderr }) => {
      throw new Error(`the forwarder has ended (${signal ?? code}):\n${stderr}${process.trouble.join('\n')}`);
    });
    this.#alive.catch(() => undefined);
  }

  /** It listens to signals by then. */
  async #ready(): Promise<ForwarderProcess> {
    if (this.#process === undefined) throw new Error('not started');
    await Promise.race([this.#process.says(/^forwarding$/), this.#alive]);
    return this.#process;
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks it to end. @throws Error when it does not in order. */
  async stop(): Promise<void> {
    await this.#ready();
    const code = await this.#end('SIGTERM');
    if (code !== 0) throw new Error(`the forwarder has ended with exit code ${code}:\n${this.trouble.join('\n')}`);
  }

  /** Its clock is set: wrong, or right again. */
  async stepClock(): Promise<void> {
    (await this.#ready()).signal('SIGUSR2');
  }

  /** It reads its configuration again. */
  async hangUp(): Promise<void> {
    (await this.#ready()).signal('SIGHUP');
  }

  /**
   * Every byte that it writes to a file is one too many for some time, by the limit for the size of its files: as a full
   * disk, of which everybody else would have to know.
   */
  async fillDisk(milliseconds: number): Promise<void> {
    const { pid } = await this.#ready();
    await mustRun('prlimit', ['--pid', String(pid), '--fsize=0:']);
    await sleep(milliseconds);
    await mustRun('prlimit', ['--pid', String(pid), '--fsize=unlimited:']);
  }

  /** @throws Error when it has ended already. */
  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const process = this.#process;
    if (process === undefined) return null;
    this.#process = undefined;
    try {
      process.signal(signal);
    } catch {
      await this.#alive;
    }
    const { code, stderr } = await process.ended;
    this.trouble.push(...process.trouble, ...(stderr === '' ? [] : [stderr]));
    return code;
  }
}
