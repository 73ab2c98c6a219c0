import { PROXY_API } from '../../install/management.ts';
import type { KubeClient } from '../../kube/client.ts';
import { addressPath, type ManagementAddress } from '../../manager/management-address.ts';

/** The addresses by which clusters reach their manager, as the manager reads and changes them. Throws as KubeClient does. */
export class ClusterAddresses {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;

  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async get(cluster: string): Promise<ManagementAddress> {
    return await this.#client.get(addressPath(cluster), { signal: this.#signal });
  }

  async put(
    cluster: string,
    spec: ManagementAddress['spec'],
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<ManagementAddress> {
    const object = { kind: 'ManagementAddress', apiVersion: PROXY_API, metadata: { name: cluster }, spec };
    return await this.#client.replace(addressPath(cluster), object, { dryRun, signal: this.#signal });
  }
}
