import { readCertificates } from '../../clusters/certificate.ts';
import { connectionObjects, TUNNEL_KEYS, TUNNEL_SECRET } from '../../clusters/connection-manifest.ts';
import { UserError } from '../../errors.ts';
import { findInstalled } from '../../install/installed-objects.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject, Secret } from '../../kube/objects.ts';

/** The cluster that the keys in a managed cluster are of; undefined where it has none, '' where they cannot be read. */
export async function connectedAs(
  managed: KubeClient,
  operatorNamespace: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const metadata = { name: TUNNEL_SECRET, namespace: operatorNamespace };
  const secret = await managed.find<Secret>({ apiVersion: 'v1', kind: 'Secret', metadata }, { signal });
  if (secret === undefined) return undefined;
  try {
    const pem = Buffer.from(secret.data?.[TUNNEL_KEYS.certificate] ?? '', 'base64').toString('utf8');
    return readCertificates(pem)[0]?.commonName ?? '';
  } catch {
    return '';
  }
}

/** @throws UserError where the managed cluster is connected as another one. */
export async function requireConnectedAs(
  managed: KubeClient,
  name: string,
  operatorNamespace: string,
  signal: AbortSignal,
): Promise<void> {
  const found = await connectedAs(managed, operatorNamespace, signal);
  if (found === undefined || found === name) return;
  const as = found === '' ? 'with keys that cannot be read' : `as "${found}"`;
  throw new UserError(`error: "${managed.context.name}" is connected ${as}, not as "${name}"`, {
    hint: 'is this the right --managed-context?',
  });
}

/** What there is of ours in a managed cluster, in the order to delete it. */
export async function foundConnection(
  managed: KubeClient,
  name: string,
  operatorNamespace: string,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const found: KubeObject[] = [...(await findInstalled(managed, name, signal))];
  for (const object of connectionObjects(operatorNamespace)) {
    const there = await managed.find<KubeObject>(object, { signal });
    if (there !== undefined) found.push(there);
  }
  return found;
}
