import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Milliseconds between two looks, and between those at a store that has not answered. */
const INTERVAL = 600_000;
const RETRY = 15_000;

/** Warns, while `signal` has not aborted, of a log store that asks nobody who they are. */
export async function watchOpenStore(
  options: {
    readonly answersAnybody: (signal: AbortSignal) => Promise<boolean | undefined>;
    /** Told what it found. */
    readonly found: (open: boolean) => void;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const { answersAnybody, found, log } = options;
  let before: boolean | undefined;
  while (!signal.aborted) {
    const open = await answersAnybody(signal);
    if (open !== undefined) found(open);
    if (open === true && before !== true) {
      log.warn('Elasticsearch answers without authentication: whoever reaches it reads and deletes logs past RBAC');
    }
    before = open ?? before;
    await sleep(open === undefined ? RETRY : INTERVAL, undefined, { signal }).catch(() => undefined);
  }
}
