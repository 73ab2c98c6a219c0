import { setTimeout as sleep } from 'node:timers/promises';
import { MANAGED_CLUSTERS_PATH, type ManagedCluster, managedCluster } from '../../src/clusters/managed-cluster.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { watchCollection } from '../../src/kube/watch.ts';
import type { FleetCluster } from './fleet.ts';

/** Requests to the API server under way at once. */
const AT_ONCE = 16;

/** ManagedClusters of a fleet in a management cluster, and what the manager writes of them. */
export class RegisteredClusters {
  readonly #client: KubeClient;
  readonly #names: ReadonlySet<string>;
  readonly #seen = new Map<string, ManagedCluster>();
  readonly #stop = new AbortController();

  private constructor(client: KubeClient, names: ReadonlySet<string>) {
    this.#client = client;
    this.#names = names;
    void this.#follow();
  }

  static async create(client: KubeClient, clusters: readonly FleetCluster[]): Promise<RegisteredClusters> {
    const registered = new RegisteredClusters(client, new Set(clusters.map(({ name }) => name)));
    await each(clusters, async ({ name, certificate }) => {
      const spec = { certificate: Buffer.from(certificate).toString('base64') };
      await client.create<ManagedCluster>(managedCluster(name, spec));
    });
    return registered;
  }

  /** How many have a status of which this is so. */
  count(isSo: (status: NonNullable<ManagedCluster['status']>) => boolean): number {
    let count = 0;
    for (const { status } of this.#seen.values()) if (status !== undefined && isSo(status)) count++;
    return count;
  }

  /** Waits until it is so of all; resolves with the seconds that took. @throws Error when it is not in time. */
  async untilAll(
    what: string,
    isSo: (status: NonNullable<ManagedCluster['status']>) => boolean,
    patience: number,
  ): Promise<number> {
    const started = performance.now();
    for (;;) {
      const count = this.count(isSo);
      const seconds = (performance.now() - started) / 1000;
      if (count === this.#names.size) return seconds;
      if (seconds > patience) throw new Error(`${count} of ${this.#names.size} are ${what} after ${patience} s`);
      await sleep(100);
    }
  }

  async remove(): Promise<void> {
    this.#stop.abort();
    await each([...this.#names], (name) => this.#client.delete(managedCluster(name, {})));
  }

  stop(): void {
    this.#stop.abort();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const options = { signal, onError: () => undefined };
    for await (const event of watchCollection<ManagedCluster>(this.#client, MANAGED_CLUSTERS_PATH, options)) {
      if (event.type === 'list') for (const object of event.objects) this.#see(object);
      else this.#see(event.object);
    }
  }

  #see(object: ManagedCluster): void {
    if (this.#names.has(object.metadata.name)) this.#seen.set(object.metadata.name, object);
  }
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
