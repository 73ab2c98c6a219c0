import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionError } from '../../kube/client.ts';
import { isStatus, StatusError } from '../../kube/status.ts';
import type { ManagementAddress } from '../../manager/management-address.ts';
import type { ClusterAddresses } from './cluster-addresses.ts';

/** Milliseconds between two looks at a cluster that is changing over. */
const INTERVAL = 1_000;

/** What became of a cluster's address. */
export type Result =
  | 'confirmed'
  | 'unchanged'
  | 'restored'
  | 'unconfirmed'
  | 'not connected'
  | 'refused'
  | 'not changed';

export interface Outcome {
  readonly cluster: string;
  /** The address before. */
  readonly old: string | undefined;
  readonly result: Result;
  /** Why, and what to do; '' where there is nothing to say. */
  readonly words: string;
}

export interface ChangeOptions {
  readonly addresses: ClusterAddresses;
  /** `HOST:PORT`, the new one. */
  readonly address: string;
  /** undefined for no way back. */
  readonly revertAfterSeconds: number | undefined;
  /** Milliseconds to wait for one cluster, from its change on. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** Told of what is under way. */
  readonly onProgress: (cluster: string, words: string) => void;
}

/**
 * Changes the address of one connected cluster, and waits until it is connected by it or back on the one before. One
 * that is changing over already, by an earlier run, is taken up where it is.
 * @throws StatusError 403 where the caller may not
 */
export async function changeAddress(before: ManagementAddress, options: ChangeOptions): Promise<Outcome> {
  const { addresses, address, revertAfterSeconds, onProgress } = options;
  const cluster = before.metadata.name;
  const old = before.status?.previousAddress ?? before.spec.address;
  let lost: string | undefined;
  try {
    const revert = revertAfterSeconds === undefined ? {} : { revertAfterSeconds };
    const { status } = await addresses.put(cluster, { address, ...revert });
    const wayBack = `; unless that connects it, ${old} comes back by itself at ${status?.restoresAt}`;
    onProgress(cluster, `dials ${address} from now on${status?.restoresAt === undefined ? '' : wayBack}`);
  } catch (error) {
    if (isStatus(error, 409)) return { cluster, old, result: 'refused', words: reasonOf(error) };
    // Nobody knows how far that came: its state will tell.
    if (!isTransient(error)) throw error;
    lost = reasonOf(error);
  }
  return { cluster, old, ...(await settled(cluster, lost, options)) };
}

/** Waits for one of the ends that there are; `lost` is why it is not known whether the change was begun. */
async function settled(
  cluster: string,
  lost: string | undefined,
  options: ChangeOptions,
): Promise<Pick<Outcome, 'result' | 'words'>> {
  const { timeout, signal } = options;
  const deadline = performance.now() + timeout;
  let last: string | undefined;
  while (performance.now() < deadline) {
    try {
      const end = await lookAt(cluster, lost, options);
      if (typeof end !== 'string') return end;
      last = end;
    } catch (error) {
      // While it changes over it has no tunnel; and what was confirmed or taken back in this moment shows next time.
      if (!isTransient(error)) throw error;
      last = reasonOf(error);
    }
    await sleep(INTERVAL, undefined, { signal });
  }
  return { result: 'unconfirmed', words: `not connected by it in time: ${last ?? 'it was not looked at'}` };
}

/** How it ended, or in words what it is waited for. */
async function lookAt(
  cluster: string,
  lost: string | undefined,
  { addresses, address, onProgress }: ChangeOptions,
): Promise<Pick<Outcome, 'result' | 'words'> | string> {
  const { spec, status } = await addresses.get(cluster);
  const { phase, connectedBy, message = 'it has not changed over yet' } = status ?? {};
  if (spec.address !== address) {
    if (phase === 'Restored') {
      onProgress(cluster, `back on ${spec.address}`);
      // So that nothing is left of it; it takes the tunnel that has come back.
      await addresses.put(cluster, { address: spec.address, confirmed: true });
    } else if (phase === 'Settled' && lost !== undefined) return { result: 'not changed', words: lost };
    else if (phase !== 'Settled') return message;
    return { result: 'restored', words: `it did not connect by ${address}` };
  }
  if (phase === 'Settled') return { result: 'confirmed', words: '' };
  // Also where an earlier change was taken back to this very one, and nobody has looked since.
  if (phase === 'Unsettled' || connectedBy !== address) return message;
  await addresses.put(cluster, { address, confirmed: true });
  onProgress(cluster, `connected by ${address}`);
  return { result: 'confirmed', words: '' };
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof ConnectionError || (error instanceof StatusError && (error.code === 409 || error.code >= 500))
  );
}

/** The server's own words. */
export function reasonOf(error: unknown): string {
  if (error instanceof StatusError) return error.status.message ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
