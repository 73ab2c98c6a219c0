import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from './client.ts';
import { type KubeObject, objectPath } from './objects.ts';
import { isStatus } from './status.ts';

/** coordination.k8s.io/v1 Lease, as far as we read or write it. */
export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    /** RFC 3339 with microseconds. */
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface LeaseOptions {
  /** A Lease that is there already. */
  readonly lease: Pick<Lease, 'apiVersion' | 'kind' | 'metadata'>;
  /** Who we are; nobody else's, also not our own from before a restart. */
  readonly identity: string;
  /** Seconds after which a holder that does not renew has lost it. */
  readonly seconds?: number;
  readonly signal: AbortSignal;
  /** Told of every failed attempt to take or renew it. */
  readonly onError: (error: unknown) => void;
}

const SECONDS = 30;

/**
 * Runs `work` whenever we hold the lease, and aborts its signal when we may not hold it any more: what it does after
 * that, somebody else may be doing. Ends when `signal` aborts, and then gives the lease back.
 */
export async function holdLease(options: LeaseOptions, client: KubeClient, work: (held: AbortSignal) => Promise<void>) {
  const { signal, seconds = SECONDS } = options;
  const holder = new Holder(client, options, seconds);
  let working: { readonly lost: AbortController; readonly done: Promise<void> } | undefined;
  const stop = async () => {
    working?.lost.abort();
    await working?.done;
    working = undefined;
  };
  while (!signal.aborted) {
    await holder.tryToHold();
    if (holder.holds && working === undefined) {
      const lost = new AbortController();
      const done = work(AbortSignal.any([signal, lost.signal])).catch(options.onError);
      working = { lost, done };
    } else if (!holder.holds) {
      await stop();
    }
    await sleep((seconds * 1000) / 3, undefined, { signal }).catch(() => undefined);
  }
  await stop();
  await holder.release();
}

/**
 * One that takes part in the election. Others' clocks are not trusted: a lease has run out when it has not changed for its
 * time by our own.
 */
class Holder {
  readonly #client: KubeClient;
  readonly #options: LeaseOptions;
  readonly #milliseconds: number;
  #seen: { readonly version: string | undefined; readonly at: number } | undefined;
  /** Until when nobody else takes it, by our own clock. */
  #until = 0;

  constructor(client: KubeClient, options: LeaseOptions, seconds: number) {
    this.#client = client;
    this.#options = options;
    this.#milliseconds = seconds * 1000;
  }

  /** With a third of the time to spare. */
  get holds(): boolean {
    return performance.now() < this.#until;
  }

  async tryToHold(): Promise<void> {
    const { lease, identity, onError } = this.#options;
    // So that an attempt that hangs ends while we still hold what we had.
    const signal = AbortSignal.any([this.#options.signal, AbortSignal.timeout(this.#milliseconds / 3)]);
    try {
      const now = performance.now();
      const current = await this.#client.get<Lease>(objectPath(lease), { signal });
      const { holderIdentity, acquireTime, leaseTransitions = 0 } = current.spec ?? {};
      const ours = holderIdentity === identity;
      if (!ours && (holderIdentity ?? '') !== '' && !this.#hasRunOut(current)) return;
      const moment = new Date().toISOString().replace('Z', '000Z');
      await this.#write(
        current,
        {
          holderIdentity: identity,
          leaseDurationSeconds: this.#milliseconds / 1000,
          acquireTime: ours ? (acquireTime ?? moment) : moment,
          renewTime: moment,
          leaseTransitions: ours ? leaseTransitions : leaseTransitions + 1,
        },
        signal,
      );
      this.#until = now + (this.#milliseconds * 2) / 3;
    } catch (error) {
      // Somebody else was quicker.
      if (!this.#options.signal.aborted && !isStatus(error, 409)) onError(error);
    }
  }

  async release(): Promise<void> {
    if (!this.holds) return;
    this.#until = 0;
    const { lease, identity } = this.#options;
    try {
      // What has begun to stop waits for nobody long.
      const signal = AbortSignal.timeout(2_000);
      const current = await this.#client.get<Lease>(objectPath(lease), { signal });
      if (current.spec?.holderIdentity === identity) await this.#write(current, { holderIdentity: '' }, signal);
    } catch {
      // Then it runs out by itself.
    }
  }

  #hasRunOut({ metadata, spec }: Lease): boolean {
    const now = performance.now();
    if (this.#seen?.version !== metadata.resourceVersion) this.#seen = { version: metadata.resourceVersion, at: now };
    const duration = Math.max((spec?.leaseDurationSeconds ?? 0) * 1000, this.#milliseconds);
    return now - (this.#seen?.at ?? now) > duration;
  }

  async #write(current: Lease, spec: Lease['spec'], signal: AbortSignal): Promise<void> {
    const { apiVersion, kind, metadata } = this.#options.lease;
    const { resourceVersion } = current.metadata;
    // With its version: of two who write at once one is told 409.
    const written = { apiVersion, kind, metadata: { ...metadata, ...(resourceVersion && { resourceVersion }) }, spec };
    await this.#client.apply<KubeObject>(written, { fieldManager: 'kubectl-mcm-lease', force: true, signal });
  }
}
