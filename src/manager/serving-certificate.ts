import type { KeyPair } from '../clusters/key-pair.ts';
import { NAMESPACE } from '../clusters/managed-cluster.ts';
import { UserError } from '../errors.ts';
import { MANAGER_TLS_SECRET } from '../install/management.ts';
import { readKeyPair } from '../install/read-key-pair.ts';
import type { KubeClient } from '../kube/client.ts';

/**
 * What the manager proves itself with on all its ports, from the Secret that `install management` made.
 * @throws UserError when it is not there or has no key.
 */
export async function readServingCertificate(client: KubeClient, signal: AbortSignal): Promise<KeyPair> {
  const keys = await readKeyPair(client, MANAGER_TLS_SECRET, signal);
  if (keys !== undefined) return keys;
  throw new UserError(`error: Secret ${NAMESPACE}/${MANAGER_TLS_SECRET} has no certificate for the manager`, {
    hint: 'run: kubectl mcm install management --help',
  });
}
