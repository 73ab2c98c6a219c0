import { createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf, UserError } from '../errors.ts';
import { type CertificateUse, readCertificates } from './certificate.ts';
import { readSecretFile, type SecretFile, type SecretName } from './secret-file.ts';

/** By what a managed cluster is known to its manager, and knows it. */
export interface ClusterCredentials {
  /** The cluster that the certificate names. */
  readonly cluster: string;
  /** PEM. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** Where they are: a Secret, and the names of its keys. */
export interface CredentialsSecret extends SecretName {
  /** Whose it is. */
  readonly use: CertificateUse;
  readonly keys: { readonly ca: string; readonly certificate: string; readonly key: string };
}

/** The Secret that was read, for what else is in it. */
export interface ReadSecret extends Pick<SecretFile, 'manifest'> {
  /** The text of a key; undefined where the Secret does not have it. */
  readonly find: SecretFile['value'];
  /** The text of a key. @throws UserError where the Secret does not have it. */
  readonly value: (key: string) => string;
}

/**
 * Reads the Secret from the directory it is mounted in, or the manifest that `add-cluster` wrote; `readMore` reads what
 * only this use has, and may throw what is wrong with it.
 * @throws UserError naming what is missing, or cannot be used.
 */
export function readClusterCredentials<T>(
  path: string,
  { use, keys, ...name }: CredentialsSecret,
  readMore: (secret: ReadSecret, credentials: ClusterCredentials) => T,
): ClusterCredentials & T {
  const { value: find, manifest } = readSecretFile(path, name);
  const value = (key: string): string => {
    const found = find(key);
    if (found === undefined) throw new UserError(`error: ${path}: the ${use}'s Secret has no ${key}`);
    return found;
  };
  const ca = value(keys.ca);
  const certificate = value(keys.certificate);
  const key = value(keys.key);
  try {
    const cluster = readCertificates(certificate)[0]?.commonName ?? '';
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new Error(`${keys.key} is not the key of ${keys.certificate}`);
    }
    const credentials = { cluster, ca, certificate, key };
    return { ...credentials, ...readMore({ find, value, manifest }, credentials) };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`error: ${path}: the ${use}'s Secret cannot be used: ${messageOf(error)}`);
  }
}
