import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import { type ConfigMap, objectPath } from '../kube/objects.ts';
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

const CONFIG = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: MANAGEMENT_CONFIG, namespace: NAMESPACE },
} as const;

/** undefined where nothing was ever installed. @throws StatusError */
export async function readManagementConfig(
  client: KubeClient,
  signal: AbortSignal,
): Promise<ManagementConfig | undefined> {
  const found = await client.find<ConfigMap>(CONFIG, { signal });
  if (found === undefined) return undefined;
  const { data = {} } = found;
  const { address, ca, flags } = MANAGEMENT_KEYS;
  return { address: data[address], ca: data[ca], flags: data[flags] };
}

/**
 * Has every manifest from now on say another address, as `install management --address` does. Says whether that changed
 * anything. @throws StatusError; 404 where nothing was ever installed
 */
export async function writeManagementAddress(
  client: KubeClient,
  address: string,
  options: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<boolean> {
  const { metadata, data = {} } = await client.get<ConfigMap>(objectPath(CONFIG), { signal: options.signal });
  const { labels = {}, resourceVersion } = metadata;
  // As it was installed, so that the next run of that takes it for its own.
  const wanted = {
    ...CONFIG,
    metadata: { ...CONFIG.metadata, labels, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    data: { ...data, [MANAGEMENT_KEYS.address]: address },
  };
  const { outcome } = await client.apply<ConfigMap>(wanted, options);
  return outcome !== 'unchanged';
}
