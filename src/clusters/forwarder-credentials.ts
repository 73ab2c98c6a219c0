import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { messageOf, UserError } from '../errors.ts';
import type { Secret } from '../kube/objects.ts';
import { readCertificates } from './certificate.ts';
import { FORWARDER_KEYS, FORWARDER_SECRET } from './connection-manifest.ts';
import { NAMESPACE } from './managed-cluster.ts';

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
  const read = readSecret(path);
  const value = (key: string): string => {
    const found = read(key);
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

function readSecret(path: string): (key: string) => string | undefined {
  try {
    return statSync(path).isDirectory() ? secretInDirectory(path) : secretInManifest(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`error: cannot read the credentials: ${messageOf(error)}`);
  }
}

function secretInDirectory(directory: string): (key: string) => string | undefined {
  return (key) => {
    try {
      return readFileSync(join(directory, key), 'utf8');
    } catch {
      return undefined;
    }
  };
}

function secretInManifest(file: string): (key: string) => string | undefined {
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const object = document.toJS() as Partial<Secret> | null;
    const { name, namespace } = object?.metadata ?? {};
    if (object?.kind !== 'Secret' || name !== FORWARDER_SECRET || namespace !== NAMESPACE) continue;
    const { data = {} } = object;
    return (key) => (data[key] === undefined ? undefined : Buffer.from(data[key], 'base64').toString('utf8'));
  }
  throw new UserError(`error: ${file} has no Secret ${NAMESPACE}/${FORWARDER_SECRET}`, {
    hint: 'it is in the manifest that "kubectl mcm add-cluster NAME -o FILE" writes',
  });
}
