import { type ClusterCredentials, readClusterCredentials } from './cluster-credentials.ts';
import { CONNECTION_NAME, TUNNEL_KEYS, TUNNEL_SECRET } from './connection-manifest.ts';

/** What the cluster's end of a tunnel needs to reach its manager and to be known there. */
export interface TunnelCredentials extends ClusterCredentials {
  /** `HOST:PORT` of the manager, where the Secret or the manifest says it. */
  readonly address: string | undefined;
}

/**
 * Reads the Secret that Guardian reads: the directory it is mounted in, or the manifest that `add-cluster` wrote.
 * @throws UserError naming what is missing.
 */
export function readTunnelCredentials(path: string): TunnelCredentials {
  const secret = { use: 'tunnel', name: TUNNEL_SECRET, keys: TUNNEL_KEYS } as const;
  return readClusterCredentials(path, secret, ({ find, manifest }) => {
    const connection = manifest.find(({ metadata }) => metadata.name === CONNECTION_NAME);
    const { managementClusterAddr: address } =
      (connection as { spec?: { managementClusterAddr?: string } } | undefined)?.spec ?? {};
    return { address: address ?? find(TUNNEL_KEYS.address)?.trim() };
  });
}
