import { setTimeout as sleep } from 'node:timers/promises';
import { CONNECTION } from '../clusters/connection-manifest.ts';
import { messageOf } from '../errors.ts';
import {
  ADDRESS_CONFIG,
  type AddressConfig,
  addressPatch,
  RESTORE_JOB,
  readAddressConfig,
} from '../install/address-config.ts';
import { connectionPatch } from '../install/restore-address.ts';
import { objectName } from '../kube/objects.ts';
import { DIALLED_HEADER } from '../tunnel/agent/api-proxy.ts';
import { type ClusterObjects, ClusterRefusal } from './cluster-objects.ts';
import { guardianAddress } from './guardian-address.ts';
import type { AddressStatus } from './management-address.ts';

/** Milliseconds for the Job's pod to start and to say that it will restore the address: kube-apiserver waits 60 s for us. */
const ARM_TIMEOUT = 30_000;
const ARM_INTERVAL = 500;

/** Why an address is not changed or confirmed, in words for people; nothing is changed then. */
export class AddressRefusal extends Error {
  override readonly name = 'AddressRefusal';
}

/** What the cluster says of its address. */
interface AddressState {
  readonly config: AddressConfig;
  /** What Guardian is told; undefined where our agent opens the tunnel. */
  readonly connection: { readonly address: string; readonly resourceVersion: string } | undefined;
  /** By which address the tunnel was dialled. */
  readonly dialled: { readonly address: string } | { readonly unknown: string };
}

export interface KnownAddress {
  readonly address: string;
  readonly status: AddressStatus;
}

export interface AddressChange {
  readonly address: string;
  /** undefined for no way back. */
  readonly revertAfterSeconds: number | undefined;
  readonly dryRun: boolean;
}

/**
 * The address of the cluster at the other end of one tunnel. Each method throws AddressRefusal, or Error where the
 * cluster does not answer.
 */
export class ClusterAddress {
  readonly #cluster: string;
  readonly #objects: ClusterObjects;
  readonly #signal: AbortSignal;

  constructor(cluster: string, objects: ClusterObjects, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#objects = objects;
    this.#signal = signal;
  }

  async read(): Promise<KnownAddress> {
    return known(await this.#read());
  }

  /**
   * Has the cluster dial another address. With a way back, nothing is changed before the pod that would restore the
   * address of now has said that it will. What is under way already is gone on with.
   */
  async change(change: AddressChange): Promise<KnownAddress> {
    const state = await this.#read();
    const { config, connection } = state;
    const { address, revertAfterSeconds, dryRun } = change;
    if (config.previous !== undefined && config.address !== config.previous) {
      if (config.address !== address) throw underWay(config);
      // It was interrupted in the middle.
      if (connection !== undefined && connection.address !== address) await this.#tellGuardian(state, change);
      return known(state);
    }
    const before = config.previous ?? told(state);
    if (before === address && config.address === address) return known(state);
    if (revertAfterSeconds === undefined) {
      const annotations = { previous: null, seconds: null, restoresAt: null, restoredAt: null };
      await this.#patchConfig(addressPatch(config, { address, annotations }), dryRun);
      await this.#tellGuardian(state, change);
      return { address, status: { phase: 'Unsettled' } };
    }
    requireDialled(state, before);
    const seconds = revertAfterSeconds;
    const armed = await this.#arm(state, before, { seconds, dryRun });
    await this.#patchConfig(addressPatch(armed, { address, annotations: {} }), dryRun);
    await this.#tellGuardian(state, change);
    const restoresAt = armed.restoresAt === undefined ? {} : { restoresAt: iso(armed.restoresAt) };
    return { address, status: { phase: 'Changing', previousAddress: before, ...restoresAt } };
  }

  /** Ends a change for good, by the tunnel that has come of it. Also one that was taken back. */
  async confirm(address: string): Promise<KnownAddress> {
    const state = await this.#read();
    const { config } = state;
    if (config.address !== address || told(state) !== address) {
      throw new AddressRefusal(`it is told to dial ${config.address ?? 'no address'}, and not ${address}`);
    }
    requireDialled(state, address);
    const { previous, restoredAt } = config;
    if (previous !== undefined || restoredAt !== undefined) {
      const annotations = { previous: null, seconds: null, restoresAt: null, restoredAt: null };
      await this.#patchConfig(addressPatch(config, { annotations }), false);
      await this.#suspend();
    }
    return { address, status: { phase: 'Settled', connectedBy: address } };
  }

  async #read(): Promise<AddressState> {
    const { object, headers } = await this.#allowed(() => this.#objects.read(ADDRESS_CONFIG));
    const config = readAddressConfig(configMapIn(object));
    const { [DIALLED_HEADER]: byAgent } = headers;
    if (typeof byAgent === 'string') return { config, connection: undefined, dialled: { address: byAgent } };
    const { object: connection } = await this.#allowed(() => this.#objects.read(CONNECTION));
    return { config, connection: connectionIn(connection), dialled: await this.#dialledByGuardian() };
  }

  async #dialledByGuardian(): Promise<AddressState['dialled']> {
    try {
      return { address: await guardianAddress(this.#objects) };
    } catch (error) {
      return { unknown: messageOf(error) };
    }
  }

  /** Lets the Job run, and waits until its pod has said when it will restore the address. */
  async #arm(
    { config, connection }: AddressState,
    previous: string,
    { seconds, dryRun }: { readonly seconds: number; readonly dryRun: boolean },
  ): Promise<AddressConfig> {
    await this.#allowed(() => this.#objects.patch(RESTORE_JOB, { spec: { suspend: false } }, { dryRun }));
    const annotations = { previous, seconds: String(seconds), restoresAt: null, restoredAt: null };
    await this.#patchConfig(addressPatch(config, { annotations }), dryRun);
    if (dryRun) {
      // As at the end of a change that is none.
      await this.#allowed(() => this.#objects.read(RESTORE_JOB));
      return config;
    }
    const deadline = performance.now() + ARM_TIMEOUT;
    while (performance.now() < deadline) {
      const { object } = await this.#allowed(() => this.#objects.read(ADDRESS_CONFIG));
      const now = readAddressConfig(configMapIn(object));
      if (now.previous !== previous) throw new AddressRefusal('somebody else has changed its address in this moment');
      if (now.restoresAt !== undefined) return now;
      await sleep(ARM_INTERVAL, undefined, { signal: this.#signal });
    }
    const why = await this.#jobWords();
    await this.#disarm();
    const guardian = connection === undefined ? '' : ', and may write the ManagementClusterConnection';
    throw new AddressRefusal(
      `nothing there would restore the address: the pod of ${objectName(RESTORE_JOB)} in ${RESTORE_JOB.metadata.namespace} ${why}; see that it runs${guardian}, or give --no-revert`,
    );
  }

  async #disarm(): Promise<void> {
    const { object } = await this.#objects.read(ADDRESS_CONFIG);
    const annotations = { previous: null, seconds: null, restoresAt: null };
    await this.#patchConfig(addressPatch(readAddressConfig(configMapIn(object)), { annotations }), false);
    await this.#suspend();
  }

  /** What the Job has come to in its time. */
  async #jobWords(): Promise<string> {
    const { object } = await this.#objects.read(RESTORE_JOB);
    const { active, ready } = (object as { status?: { active?: unknown; ready?: unknown } }).status ?? {};
    if (typeof ready === 'number' && ready > 0) return 'runs, and has not taken note of the change (its log says why)';
    const started = typeof active === 'number' && active > 0 ? 'did not become ready' : 'was not started';
    return `${started} within ${ARM_TIMEOUT / 1000} s`;
  }

  async #suspend(): Promise<void> {
    const { object } = await this.#allowed(() => this.#objects.read(RESTORE_JOB));
    if ((object as { spec?: { suspend?: unknown } }).spec?.suspend === true) return;
    await this.#allowed(() => this.#objects.patch(RESTORE_JOB, { spec: { suspend: true } }, { dryRun: false }));
  }

  /** As it was read before: what has been restored since must not be undone. */
  async #tellGuardian({ connection }: AddressState, { address, dryRun }: AddressChange): Promise<void> {
    if (connection === undefined) return;
    const metadata = { resourceVersion: connection.resourceVersion };
    await this.#allowed(() => this.#objects.patch(CONNECTION, { metadata, ...connectionPatch(address) }, { dryRun }));
  }

  async #patchConfig(patch: object, dryRun: boolean): Promise<void> {
    await this.#allowed(() => this.#objects.patch(ADDRESS_CONFIG, patch, { dryRun }));
  }

  /** In words that say what to do, where the cluster does not let us. */
  async #allowed<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ClusterRefusal)) throw error;
      const { code, message } = error;
      if (code === 409) throw new AddressRefusal('somebody else has changed its address in this moment');
      const install = `run: kubectl mcm install managed ${this.#cluster} --managed-context CONTEXT --image IMAGE (without --no-lifecycle)`;
      if (code === 403) throw new AddressRefusal(`it does not let its address be changed: ${message}; ${install}`);
      if (code === 404) throw new AddressRefusal(`it lacks what its address is changed by: ${message}; ${install}`);
      throw new AddressRefusal(`it refuses: ${message}`);
    }
  }
}

function configMapIn(object: Readonly<Record<string, unknown>>): Parameters<typeof readAddressConfig>[0] {
  return { metadata: {}, ...object } as Parameters<typeof readAddressConfig>[0];
}

function connectionIn(object: Readonly<Record<string, unknown>>): AddressState['connection'] {
  const { metadata, spec } = object as {
    metadata?: { resourceVersion?: unknown };
    spec?: { managementClusterAddr?: unknown };
  };
  return {
    address: String(spec?.managementClusterAddr ?? ''),
    resourceVersion: String(metadata?.resourceVersion ?? ''),
  };
}

/** What opens the tunnel is told. */
function told({ config, connection }: AddressState): string {
  return connection?.address ?? config.address ?? '';
}

function requireDialled({ dialled }: AddressState, address: string): void {
  if ('unknown' in dialled) {
    throw new AddressRefusal(`by which address its tunnel was dialled cannot be seen: ${dialled.unknown}`);
  }
  if (dialled.address !== address) {
    throw new AddressRefusal(`its tunnel was dialled by ${dialled.address}, and not by ${address}`);
  }
}

function underWay({ address, restoresAt }: AddressConfig): AddressRefusal {
  const when = restoresAt === undefined ? 'soon' : `at ${iso(restoresAt)}`;
  return new AddressRefusal(`a change to ${address} is under way, and is taken back ${when} unless it is confirmed`);
}

function known(state: AddressState): KnownAddress {
  const { config, dialled } = state;
  const { previous, restoresAt, restoredAt } = config;
  const address = config.previous === undefined && restoredAt === undefined ? told(state) : (config.address ?? '');
  const message = faultOf(state, address);
  return {
    address,
    status: {
      phase: phaseOf(state, message),
      ...('address' in dialled ? { connectedBy: dialled.address } : {}),
      ...(previous === undefined ? {} : { previousAddress: previous }),
      ...(restoresAt === undefined ? {} : { restoresAt: iso(restoresAt) }),
      ...(restoredAt === undefined ? {} : { restoredAt: iso(restoredAt) }),
      ...(message === undefined ? {} : { message }),
    },
  };
}

function phaseOf({ config }: AddressState, fault: string | undefined): AddressStatus['phase'] {
  if (config.previous !== undefined) return 'Changing';
  if (config.restoredAt !== undefined) return 'Restored';
  return fault === undefined ? 'Settled' : 'Unsettled';
}

/** What does not go by the address; undefined where everything does. */
function faultOf({ config, connection, dialled }: AddressState, address: string): string | undefined {
  if (config.address !== address) return `forwarders dial ${config.address ?? 'no address'}`;
  if (connection !== undefined && connection.address !== address) return `Guardian is told ${connection.address}`;
  if ('unknown' in dialled) return `by which address its tunnel was dialled cannot be seen: ${dialled.unknown}`;
  return dialled.address === address ? undefined : `its tunnel was dialled by ${dialled.address}`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
