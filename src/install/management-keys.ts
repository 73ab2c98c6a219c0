import { X509Certificate } from 'node:crypto';
import { createKeyPair, daysFromNow, type KeyPair } from '../clusters/key-pair.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Secret } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';
import { CA_DNS_NAME, CA_SECRET, MANAGER_DNS_NAMES, MANAGER_TLS_SECRET } from './management.ts';
import { keySecret, type ManagementKeys } from './management-objects.ts';
import { readKeyPair } from './read-key-pair.ts';

const CA_DAYS = 3650;
const MANAGER_DAYS = 365;
/** The manager's certificate is made anew when so few days are left. */
const RENEW_DAYS = 30;

export interface KeyOptions {
  /** false: nothing is written (a dry run). */
  readonly store: boolean;
  /** Told of a Secret that was written. */
  readonly onCreated: (secret: Secret) => void;
  readonly signal: AbortSignal;
}

/**
 * The keys of the management plane: those the cluster has, and new ones for what is missing or about to run out. The
 * CA is never replaced: every managed cluster trusts it by the manifest it was given. With `store` a new CA is written
 * before anything is built on it, so that of two installations at once one makes the CA and the other takes it.
 */
export async function managementKeys(
  client: KubeClient,
  { store, onCreated, signal }: KeyOptions,
): Promise<ManagementKeys> {
  const ca = (await readKeyPair(client, CA_SECRET, signal)) ?? (await newCa(client, { store, onCreated, signal }));
  const kept = await readKeyPair(client, MANAGER_TLS_SECRET, signal);
  const manager = kept !== undefined && isServiceable(kept, ca) ? kept : await createManagerCertificate(ca);
  return { ca, manager };
}

async function newCa(client: KubeClient, { store, onCreated, signal }: KeyOptions): Promise<KeyPair> {
  const ca = await createCa();
  if (!store) return ca;
  try {
    onCreated(await client.create(keySecret(CA_SECRET, ca), { signal }));
    return ca;
  } catch (error) {
    if (!isStatus(error, 409)) throw error;
    // Another's CA, or a Secret that was applied from a file and has no data yet: then ours becomes its data.
    return (await readKeyPair(client, CA_SECRET, signal)) ?? ca;
  }
}

async function createCa(): Promise<KeyPair> {
  return await createKeyPair({
    commonName: 'tigera-voltron',
    organizations: ['kubectl-mcm'],
    dnsNames: [CA_DNS_NAME],
    usages: [],
    ca: true,
    notAfter: daysFromNow(CA_DAYS),
  });
}

async function createManagerCertificate(ca: KeyPair): Promise<KeyPair> {
  const request = { commonName: 'kubectl-mcm-manager', dnsNames: MANAGER_DNS_NAMES, usages: ['server'] } as const;
  return await createKeyPair({ ...request, notAfter: daysFromNow(MANAGER_DAYS) }, ca);
}

function isServiceable(manager: KeyPair, ca: KeyPair): boolean {
  const certificate = new X509Certificate(manager.certificate);
  return (
    certificate.verify(new X509Certificate(ca.certificate).publicKey) &&
    Date.parse(certificate.validTo) > daysFromNow(RENEW_DAYS).getTime() &&
    MANAGER_DNS_NAMES.every((name) => certificate.checkHost(name) !== undefined)
  );
}
