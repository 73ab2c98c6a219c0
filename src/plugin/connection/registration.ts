import type { ConnectionOptions } from '../../clusters/connection-manifest.ts';
import { isClusterName, type ManagedCluster, managedCluster, RESERVED_NAMES } from '../../clusters/managed-cluster.ts';

/** What registers a cluster with the certificates of its connection. */
export function registration(
  name: string,
  { tunnel, forwarder, operatorNamespace }: ConnectionOptions,
  labels: Readonly<Record<string, string>>,
): ManagedCluster {
  const certificate = Buffer.from(tunnel.certificate + forwarder.certificate).toString('base64');
  return managedCluster(name, { operatorNamespace, certificate }, labels);
}

/** Why no managed cluster can have this name, as the API server would say; undefined where one can. */
export function clusterNameFault(name: string): string | undefined {
  if (isClusterName(name)) return undefined;
  const what = (RESERVED_NAMES as readonly string[]).includes(name)
    ? 'it is reserved'
    : 'it must be a DNS label: at most 63 lower-case letters, digits and dashes, with a letter or digit at either end';
  return `a managed cluster cannot have the name "${name}": ${what}`;
}

/** Whether a namespace may have this name. */
export function isNamespaceName(namespace: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace);
}
