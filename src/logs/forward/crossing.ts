import { Turns } from '../../turns.ts';
import { Checkpoint } from './checkpoint.ts';
import type { ForwardInput } from './config.ts';
import { type DestinationOptions, destinationOf, openUploader } from './destination.ts';
import type { ForwardMetrics } from './forward-metrics.ts';
import { type Crossing, IN_FLIGHT } from './passage.ts';
import { StateLock } from './state-lock.ts';
import type { ForwardEvents } from './summary.ts';

/** What is shipped, from where and to whom. */
export type ForwardSettings = DestinationOptions & {
  readonly inputs: readonly ForwardInput[];
  readonly stateDirectory: string;
  /** About how many bytes go into one upload. */
  readonly chunkBytes: number;
};

export type ForwardOptions = ForwardSettings & {
  readonly signal: AbortSignal;
  readonly events: ForwardEvents;
  readonly metrics: ForwardMetrics;
};

export type CrossingOptions = ForwardOptions & Pick<Crossing, 'summary' | 'stop' | 'insist' | 'halve'>;

/**
 * Gives `work` all that files need to get to the manager, with the state directory for itself.
 * @throws UserError when the state directory cannot be used or is in use; and whatever `work` throws.
 */
export async function withCrossing<T>(options: CrossingOptions, work: (crossing: Crossing) => Promise<T>): Promise<T> {
  const { stateDirectory, events, metrics } = options;
  const lock = StateLock.acquire(stateDirectory);
  const onRetry = (reason: string) => {
    metrics.retried();
    events.detail(reason);
  };
  const uploader = await openUploader(options, IN_FLIGHT, onRetry);
  try {
    const checkpoint = Checkpoint.load(stateDirectory, events.warning);
    const turns = new Turns({ atOnce: IN_FLIGHT, waiting: Number.POSITIVE_INFINITY });
    return await work({ ...options, destination: destinationOf(options), uploader, checkpoint, turns, memories: [] });
  } finally {
    await uploader.close();
    lock.release();
  }
}
