import { NAMESPACE } from '../clusters/managed-cluster.ts';
import { UserError } from '../errors.ts';
import { MANAGER_TLS_SECRET } from '../install/management.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Secret } from '../kube/objects.ts';

/** What the manager proves itself with on all its ports; PEM. */
export interface ServingCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** Reads the Secret that `install management` made. @throws UserError when it is not there or has no key. */
export async function readServingCertificate(client: KubeClient, signal: AbortSignal): Promise<ServingCertificate> {
  const metadata = { name: MANAGER_TLS_SECRET, namespace: NAMESPACE };
  const secret = await client.find<Secret>({ apiVersion: 'v1', kind: 'Secret', metadata }, { signal });
  const certificate = secret?.data?.['tls.crt'];
  const key = secret?.data?.['tls.key'];
  if (certificate === undefined || key === undefined) {
    throw new UserError(`error: Secret ${NAMESPACE}/${MANAGER_TLS_SECRET} has no certificate for the manager`, {
      hint: 'run: kubectl mcm install management --address HOST:PORT',
    });
  }
  return { certificate: decode(certificate), key: decode(key) };
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
