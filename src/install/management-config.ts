import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ConfigMap } from '../kube/objects.ts';
import { MANAGEMENT_CONFIG, MANAGEMENT_KEYS } from './management.ts';

/** What a management cluster says of itself; undefined where it does not say. */
export interface ManagementConfig {
  /** `HOST:PORT` that managed clusters dial. */
  readonly address: string | undefined;
  /** PEM: whom managed clusters trust. */
  readonly ca: string | undefined;
  /** The flags of `install management`, as JSON. */
  readonly flags: string | undefined;
}

/** undefined where nothing was ever installed. @throws StatusError */
export async function readManagementConfig(
  client: KubeClient,
  signal: AbortSignal,
): Promise<ManagementConfig | undefined> {
  const metadata = { name: MANAGEMENT_CONFIG, namespace: NAMESPACE };
  const found = await client.find<ConfigMap>({ apiVersion: 'v1', kind: 'ConfigMap', metadata }, { signal });
  if (found === undefined) return undefined;
  const { data = {} } = found;
  const { address, ca, flags } = MANAGEMENT_KEYS;
  return { address: data[address], ca: data[ca], flags: data[flags] };
}
