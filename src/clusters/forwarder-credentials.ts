import { createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf, UserError } from '../errors.ts';
import { readCertificates } from './certificate.ts';
import { FORWARDER_KEYS, FORWARDER_SECRET } from './connection-manifest.ts';
import { NAMESPACE } from './managed-cluster.ts';
import { readSecretFile } from './secret-file.ts';

/** What a forwarder needs to reach its manager and to be known there. */
export interface ForwarderCredentials {
  /** The cluster that the certificate names. */
  readonly cluster: string;
  /** `HOST:PORT` of the manager. */
  readonly address: string;
  /** The name to ask the manager's certificate for, whatever the address: the CA's own, as Guardian does. */
  readonly serverName: string;
  /** PEM. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/**
 * Reads the forwarder's Secret: the directory it is mounted in, or the manifest that `add-cluster` wrote.
 * @throws UserError naming what is missing.
 */
export function readForwarderCredentials(path: string): ForwarderCredentials {
  const secret = readSecretFile(path, { name: FORWARDER_SECRET, namespace: NAMESPACE });
  const value = (key: string): string => {
    const found = secret.value(key);
    if (found === undefined) throw new UserError(`error: ${path}: the forwarder's Secret has no ${key}`);
    return found;
  };
  const ca = value(FORWARDER_KEYS.ca);
  const certificate = value(FORWARDER_KEYS.certificate);
  try {
    const serverName = /DNS:([^,\s]+)/.exec(new X509Certificate(ca).subjectAltName ?? '')?.[1];
    if (serverName === undefined) throw new Error(`${FORWARDER_KEYS.ca} has no DNS name`);
    const cluster = readCertificates(certificate)[0]?.commonName ?? '';
    const key = value(FORWARDER_KEYS.key);
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new Error(`${FORWARDER_KEYS.key} is not the key of ${FORWARDER_KEYS.certificate}`);
    }
    const address = value(FORWARDER_KEYS.address).trim();
    if (!URL.canParse(`https://${address}`) || !/:\d+$/.test(address)) {
      throw new Error(`${FORWARDER_KEYS.address} "${address}" is not of the form HOST:PORT`);
    }
    return { cluster, serverName, ca, certificate, address, key };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`error: ${path}: the forwarder's Secret cannot be used: ${messageOf(error)}`);
  }
}
