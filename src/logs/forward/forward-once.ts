import { X509Certificate } from 'node:crypto';
import { Checkpoint } from './checkpoint.ts';
import type { ForwardInput } from './config.ts';
import { InputOpener } from './open-inputs.ts';
import { IN_FLIGHT, Shipment } from './shipment.ts';
import { StateLock } from './state-lock.ts';
import { type ForwardEvents, ForwardSummary } from './summary.ts';
import { Uploader, type UploaderOptions } from './uploader.ts';

export interface ForwardOptions extends Omit<UploaderOptions, 'connections' | 'onRetry'> {
  readonly inputs: readonly ForwardInput[];
  readonly stateDirectory: string;
  /** About how many bytes go into one upload. */
  readonly chunkBytes: number;
  readonly signal: AbortSignal;
  readonly events: ForwardEvents;
}

/**
 * Ships what is new in the files, up to where they ended when it began, and remembers how far everything has been
 * acknowledged.
 *
 * @throws UserError when the manager refuses this forwarder, or the state directory cannot be used or is in use.
 */
export async function forwardOnce(options: ForwardOptions): Promise<ForwardSummary> {
  const lock = StateLock.acquire(options.stateDirectory);
  const uploader = new Uploader({ ...options, connections: IN_FLIGHT, onRetry: options.events.detail });
  try {
    return await forwardWith(uploader, options);
  } finally {
    await uploader.close();
    lock.release();
  }
}

async function forwardWith(uploader: Uploader, options: ForwardOptions): Promise<ForwardSummary> {
  const { events, chunkBytes, signal } = options;
  const checkpoint = Checkpoint.load(options.stateDirectory, events.warning);
  const destination = destinationOf(options);
  const summary = new ForwardSummary();
  // All files at the start, so that their ends are those of one moment.
  const opener = new InputOpener(destination, checkpoint, summary, events);
  try {
    await opener.open(options.inputs);
    const shipment = new Shipment({ destination, uploader, checkpoint, summary, events, chunkBytes, signal });
    await shipment.ship(opener.opened);
  } catch (error) {
    if (!signal.aborted) throw error;
    summary.incomplete.push('interrupted; the rest is left for the next run');
  } finally {
    for (const { file } of opener.opened) await file.close();
  }
  return summary;
}

/** A management plane is its CA: its address may change. */
function destinationOf({ cluster, ca }: ForwardOptions): string {
  return `${cluster}@${new X509Certificate(ca).fingerprint256.replaceAll(':', '').slice(0, 16)}`;
}
