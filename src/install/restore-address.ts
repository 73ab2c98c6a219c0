import { setTimeout as sleep } from 'node:timers/promises';
import { CONNECTION, type ManagementClusterConnection } from '../clusters/connection-manifest.ts';
import { messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { type ConfigMap, objectPath } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';
import { ADDRESS_CONFIG, type AddressConfig, addressPatch, readAddressConfig } from './address-config.ts';

/** Milliseconds between two looks at the ConfigMap. */
const INTERVAL = 1_000;

/** Milliseconds in which a write of the manager's can still arrive that was under way when the time was over. */
const LATE = 120_000;

export interface RestoreOptions {
  /** The managed cluster's API server. */
  readonly client: KubeClient;
  /** Whether Guardian opens the tunnel, by the ManagementClusterConnection. */
  readonly guardian: boolean;
  readonly events: {
    /** A change was seen; the address before it comes back at that time. */
    armed(previous: string, restoresAt: Date): void;
    confirmed(address: string | undefined): void;
    restored(previous: string): void;
    /** Is tried again in a second. */
    failed(reason: string): void;
  };
}

/**
 * Takes changes of the address back that nobody confirms. Whoever changes it says first what to go back to, and waits
 * until it stands there when that will be: by then it is known that the pod runs, and may write what it would have to.
 * The ConfigMap alone decides whether a change was confirmed or taken back, since each write of it is refused where
 * somebody else was first; what Guardian goes by follows. Runs until `signal` aborts.
 */
export async function restoreAddresses(options: RestoreOptions, signal: AbortSignal): Promise<void> {
  const restorer = new Restorer(options, signal);
  while (!signal.aborted) {
    try {
      await restorer.look();
    } catch (error) {
      // Somebody else was first: the next look tells what is so now.
      if (!signal.aborted && !isStatus(error, 409)) options.events.failed(messageOf(error));
    }
    await sleep(INTERVAL, undefined, { signal }).catch(() => undefined);
  }
}

class Restorer {
  readonly #options: RestoreOptions;
  readonly #signal: AbortSignal;
  /** When the address before comes back, as performance.now() counts. */
  #due: number | undefined;

  constructor(options: RestoreOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** @throws StatusError, ConnectionError */
  async look(): Promise<void> {
    const { client, events } = this.#options;
    const config = readAddressConfig(await client.get<ConfigMap>(objectPath(ADDRESS_CONFIG), { signal: this.#signal }));
    const { address, previous, restoresAt, restoredAt, seconds } = config;
    if (previous !== undefined) {
      if (restoresAt === undefined) return await this.#arm(config, previous);
      // Of a pod that has been replaced, by the clock of another node.
      this.#due ??= performance.now() + Math.min(Math.max(restoresAt - Date.now(), 0), seconds * 1000);
      if (performance.now() >= this.#due) await this.#restore(config, previous);
      return;
    }
    if (this.#due !== undefined && restoredAt === undefined) events.confirmed(address);
    this.#due = undefined;
    const isFresh = restoredAt !== undefined && Date.now() - restoredAt < LATE;
    if (isFresh && address !== undefined) await this.#putBack(address);
  }

  /** Says that it will be done, once the API server has said that it can be. */
  async #arm(config: AddressConfig, previous: string): Promise<void> {
    const { client, guardian, events } = this.#options;
    const signal = this.#signal;
    const milliseconds = config.seconds * 1000;
    const due = performance.now() + milliseconds;
    const restoresAt = new Date(Date.now() + milliseconds);
    if (guardian) {
      await client.find(CONNECTION, { signal });
      await client.patch(CONNECTION, connectionPatch(previous), { dryRun: true, signal });
    }
    await client.patch(
      ADDRESS_CONFIG,
      addressPatch(config, { annotations: { restoresAt: restoresAt.toISOString() } }),
      {
        signal,
      },
    );
    this.#due = due;
    events.armed(previous, restoresAt);
  }

  async #restore(config: AddressConfig, previous: string): Promise<void> {
    const { client, events } = this.#options;
    const restoredAt = new Date().toISOString();
    const annotations = { previous: null, seconds: null, restoresAt: null, restoredAt };
    await client.patch(ADDRESS_CONFIG, addressPatch(config, { address: previous, annotations }), {
      signal: this.#signal,
    });
    this.#due = undefined;
    events.restored(previous);
    await this.#putBack(previous);
  }

  /** Has Guardian go by the address that stands in the ConfigMap. */
  async #putBack(address: string): Promise<void> {
    const { client, guardian } = this.#options;
    if (!guardian) return;
    const signal = this.#signal;
    const connection = await client.find<ManagementClusterConnection>(CONNECTION, { signal });
    if (connection === undefined || connection.spec?.managementClusterAddr === address) return;
    await client.patch(CONNECTION, connectionPatch(address), { signal });
  }
}

/** What has Guardian dial an address, once tigera-operator has taken note. */
export function connectionPatch(address: string): object {
  return { spec: { managementClusterAddr: address } };
}
