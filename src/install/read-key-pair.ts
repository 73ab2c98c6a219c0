import type { KeyPair } from '../clusters/key-pair.ts';
import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Secret } from '../kube/objects.ts';

/** The key pair in a Secret of ours; undefined where there is no such Secret, or it has no data yet. */
export async function readKeyPair(client: KubeClient, name: string, signal: AbortSignal): Promise<KeyPair | undefined> {
  const metadata = { name, namespace: NAMESPACE };
  const secret = await client.find<Secret>({ apiVersion: 'v1', kind: 'Secret', metadata }, { signal });
  const certificate = secret?.data?.['tls.crt'];
  const key = secret?.data?.['tls.key'];
  if (certificate === undefined || key === undefined) return undefined;
  return {
    certificate: Buffer.from(certificate, 'base64').toString('utf8'),
    key: Buffer.from(key, 'base64').toString('utf8'),
  };
}
