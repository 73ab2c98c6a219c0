import { X509Certificate } from 'node:crypto';
import { type ClusterCredentials, readClusterCredentials } from './cluster-credentials.ts';
import { FORWARDER_KEYS, FORWARDER_SECRET } from './connection-manifest.ts';
import { NAMESPACE } from './managed-cluster.ts';

/** What a forwarder needs to reach its manager and to be known there. */
export interface ForwarderCredentials extends ClusterCredentials {
  /** `HOST:PORT` of the manager. */
  readonly address: string;
  /** The name to ask the manager's certificate for, whatever the address: the CA's own, as Guardian does. */
  readonly serverName: string;
}

/**
 * Reads the forwarder's Secret: the directory it is mounted in, or the manifest that `add-cluster` wrote.
 * @throws UserError naming what is missing.
 */
export function readForwarderCredentials(path: string): ForwarderCredentials {
  const secret = { use: 'forwarder', name: FORWARDER_SECRET, namespace: NAMESPACE, keys: FORWARDER_KEYS } as const;
  return readClusterCredentials(path, secret, ({ value }, { ca }) => {
    const serverName = /DNS:([^,\s]+)/.exec(new X509Certificate(ca).subjectAltName ?? '')?.[1];
    if (serverName === undefined) throw new Error(`${FORWARDER_KEYS.ca} has no DNS name`);
    const address = value(FORWARDER_KEYS.address).trim();
    if (!URL.canParse(`https://${address}`) || !/:\d+$/.test(address)) {
      throw new Error(`${FORWARDER_KEYS.address} "${address}" is not of the form HOST:PORT`);
    }
    return { serverName, address };
  });
}
