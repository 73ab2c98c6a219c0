import { createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf, UserError } from '../errors.ts';
import { readCertificates } from './certificate.ts';
import { CONNECTION_NAME, TUNNEL_KEYS, TUNNEL_SECRET } from './connection-manifest.ts';
import { readSecretFile } from './secret-file.ts';

/** What the cluster's end of a tunnel needs to reach its manager and to be known there. */
export interface TunnelCredentials {
  /** The cluster that the certificate names. */
  readonly cluster: string;
  /** `HOST:PORT` of the manager, where the manifest says it. */
  readonly address: string | undefined;
  /** PEM. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/**
 * Reads the Secret that Guardian reads: the directory it is mounted in, or the manifest that `add-cluster` wrote.
 * @throws UserError naming what is missing.
 */
export function readTunnelCredentials(path: string): TunnelCredentials {
  const secret = readSecretFile(path, { name: TUNNEL_SECRET });
  const value = (key: string): string => {
    const found = secret.value(key);
    if (found === undefined) throw new UserError(`error: ${path}: the tunnel's Secret has no ${key}`);
    return found;
  };
  const ca = value(TUNNEL_KEYS.ca);
  const certificate = value(TUNNEL_KEYS.certificate);
  const key = value(TUNNEL_KEYS.key);
  try {
    const cluster = readCertificates(certificate)[0]?.commonName ?? '';
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new Error(`${TUNNEL_KEYS.key} is not the key of ${TUNNEL_KEYS.certificate}`);
    }
    const connection = secret.manifest.find(({ metadata }) => metadata.name === CONNECTION_NAME);
    const { managementClusterAddr: address } =
      (connection as { spec?: { managementClusterAddr?: string } } | undefined)?.spec ?? {};
    return { cluster, address, ca, certificate, key };
  } catch (error) {
    throw new UserError(`error: ${path}: the tunnel's Secret cannot be used: ${messageOf(error)}`);
  }
}
