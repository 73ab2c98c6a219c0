import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../errors.ts';

/** Milliseconds between two looks. */
const INTERVAL = 1_000;

export interface UntilDoneOptions {
  /** What is waited for, as kubectl names it. */
  readonly name: string;
  /** As performance.now() counts. */
  readonly deadline: number;
  /** Says in words what is waited for; undefined once it is there. */
  readonly look: () => Promise<string | undefined>;
  /** Told what is waited for, each time that changes. */
  readonly onWaiting: (words: string) => void;
  /** What to do where its time is over. */
  readonly advice?: string;
  readonly signal: AbortSignal;
}

/** Resolves once a look says so. @throws UserError when its time is over, with what was waited for last. */
export async function untilDone({ name, deadline, look, onWaiting, advice, signal }: UntilDoneOptions): Promise<void> {
  let words = '';
  let said = '';
  while (!signal.aborted) {
    const now = await look();
    if (now === undefined) return;
    // What is over by the next look is no news.
    if (now === words && now !== said) {
      onWaiting(now);
      said = now;
    }
    words = now;
    if (performance.now() > deadline) {
      const hint = [`waited for: ${words}`, ...(advice === undefined ? [] : [advice])].join('\n');
      throw new UserError(`error: timed out waiting for the condition on ${name}`, { hint });
    }
    await sleep(INTERVAL, undefined, { signal }).catch(() => undefined);
  }
  signal.throwIfAborted();
}

/** Tells people what is waited for. */
export function tellWaiting(err: Writable): UntilDoneOptions['onWaiting'] {
  return (words) => void err.write(`Waiting for ${words}\n`);
}
