import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readCertificates } from '../../clusters/certificate.ts';
import {
  CONNECTION,
  CONNECTION_NAME,
  type ConnectionOptions,
  FORWARDER_KEYS,
  FORWARDER_SECRET,
  TUNNEL_KEYS,
  TUNNEL_SECRET,
} from '../../clusters/connection-manifest.ts';
import type { KeyPair } from '../../clusters/key-pair.ts';
import { type ManagedCluster, NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { opensByAgent } from '../../install/managed-objects.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject, Secret } from '../../kube/objects.ts';
import { requireConnectedAs } from '../connection/managed-side.ts';

/**
 * The connection with those keys instead of new ones that a managed cluster has already, from an earlier run or a manifest
 * that was applied: so a run that was interrupted goes on, and one that has nothing to do changes nothing.
 * @throws UserError where the managed cluster is connected otherwise.
 */
export async function withKeptKeys(
  connection: ConnectionOptions,
  managed: KubeClient,
  cluster: string,
  signal: AbortSignal,
): Promise<ConnectionOptions> {
  const { operatorNamespace } = connection;
  await requireConnectedAs(managed, cluster, operatorNamespace, signal);
  const tunnel = await keptPair(managed, [operatorNamespace, TUNNEL_SECRET], TUNNEL_KEYS, signal);
  if (tunnel === undefined && !opensByAgent(connection)) await requireUnconnected(managed, signal);
  const forwarder = await keptPair(managed, [NAMESPACE, FORWARDER_SECRET], FORWARDER_KEYS, signal);
  requireOwn(managed, forwarder, cluster);
  return { ...connection, tunnel: tunnel ?? connection.tunnel, forwarder: forwarder ?? connection.forwarder };
}

/** Whether a registered cluster is known by these keys. @throws UserError where it is by others. */
export function requireRegistered(
  { metadata, spec }: ManagedCluster,
  connection: ConnectionOptions,
  where: string,
): void {
  const known = Buffer.from(spec.certificate ?? '', 'base64').toString('utf8');
  const fingerprints = known === '' ? [] : readCertificates(known).map(({ fingerprint }) => fingerprint);
  const own = [connection.tunnel, connection.forwarder].flatMap(({ certificate }) => readCertificates(certificate));
  if (own.every(({ fingerprint }) => fingerprints.includes(fingerprint))) return;
  const { name } = metadata;
  throw new UserError(`error: managedcluster "${name}" exists already, with other keys than ${where} has`, {
    hint: `if it is the same cluster, give it new keys and run this again; else choose another name:\n  kubectl mcm reissue ${name} --managed-context CONTEXT`,
  });
}

async function keptPair(
  managed: KubeClient,
  [namespace, name]: readonly [string, string],
  keys: { readonly certificate: string; readonly key: string },
  signal: AbortSignal,
): Promise<KeyPair | undefined> {
  const object = { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace } };
  const { data = {} } = (await managed.find<Secret>(object, { signal })) ?? {};
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  const pair = { certificate: text(keys.certificate), key: text(keys.key) };
  return isPair(pair) ? pair : undefined;
}

function isPair({ certificate, key }: KeyPair): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function requireOwn(managed: KubeClient, pair: KeyPair | undefined, cluster: string): void {
  const [found] = pair === undefined ? [] : readCertificates(pair.certificate);
  if (found === undefined || found.commonName === cluster) return;
  throw new UserError(
    `error: the forwarder of "${managed.context.name}" sends as "${found.commonName}", not as "${cluster}"`,
    { hint: 'is this the right --managed-context?' },
  );
}

/** With keys that are none of ours, it is connected to somebody else. */
async function requireUnconnected(managed: KubeClient, signal: AbortSignal): Promise<void> {
  const { name } = managed.context;
  const connection = await managed.find<KubeObject & { readonly spec?: { readonly managementClusterAddr?: string } }>(
    CONNECTION,
    { signal },
  );
  if (connection === undefined) return;
  const address = connection.spec?.managementClusterAddr ?? 'an unknown address';
  throw new UserError(`error: "${name}" is connected to a management cluster already (${address})`, {
    hint: `its connection would be lost. If that is meant, disconnect it first:\n  kubectl delete --context ${name} managementclusterconnection ${CONNECTION_NAME}`,
  });
}
