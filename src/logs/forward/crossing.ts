import { Turns } from '../../turns.ts';
import { type Announcement, announce, withdraw } from './announcement.ts';
import { Checkpoint } from './checkpoint.ts';
import type { ForwardInput } from './config.ts';
import { type DestinationOptions, destinationOf, openUploader } from './destination.ts';
import type { ForwardMetrics } from './forward-metrics.ts';
import { GapLedger } from './gap-ledger.ts';
import { type Crossing, IN_FLIGHT } from './passage.ts';
import { Spool, type WhenFull } from './spool.ts';
import { lockState } from './state-lock.ts';
import type { ForwardEvents } from './summary.ts';

/** What is shipped, from where and to whom. */
export type ForwardSettings = DestinationOptions & {
  readonly inputs: readonly ForwardInput[];
  readonly stateDirectory: string;
  /** About how many bytes go into one upload. */
  readonly chunkBytes: number;
  /** See SpoolOptions. */
  readonly spoolSize: number;
  readonly whenFull: WhenFull;
};

export type ForwardOptions = ForwardSettings & {
  /** Left in the state directory meanwhile. */
  readonly announcement?: Announcement;
  readonly signal: AbortSignal;
  readonly events: ForwardEvents;
  /** Where it is counted for Prometheus, in a service. */
  readonly metrics?: ForwardMetrics;
};

export type CrossingOptions = ForwardOptions & Pick<Crossing, 'summary' | 'stop' | 'insist' | 'halve'>;

/**
 * Gives `work` all that files need to get to the manager, with the state directory for itself.
 * @throws UserError when the state directory cannot be used or is in use; and whatever `work` throws.
 */
export async function withCrossing<T>(options: CrossingOptions, work: (crossing: Crossing) => Promise<T>): Promise<T> {
  const { stateDirectory, events, metrics } = options;
  const lock = lockState(stateDirectory);
  const onRetry = (reason: string) => {
    metrics?.retried();
    events.detail(reason);
  };
  const uploader = await openUploader(options, IN_FLIGHT, onRetry);
  try {
    if (options.announcement !== undefined) announce(stateDirectory, options.announcement);
    const checkpoint = Checkpoint.load(stateDirectory, events.warning);
    const gaps = GapLedger.load(stateDirectory, events.warning, (gap) => metrics?.lost(gap));
    const spool = await Spool.open(options, gaps);
    const destination = destinationOf(options);
    await spool.reconcile(checkpoint, destination);
    metrics?.keep(spool, gaps);
    const turns = new Turns({ atOnce: IN_FLIGHT, waiting: Number.POSITIVE_INFINITY });
    return await work({ ...options, destination, uploader, checkpoint, spool, gaps, turns, memories: [] });
  } finally {
    await uploader.close();
    if (options.announcement !== undefined) withdraw(stateDirectory);
    lock.release();
  }
}
