import { NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { CLUSTERS_SERVICE } from '../../install/management.ts';
import type { ClusterManager } from '../../install/management-objects.ts';
import { isOurs } from '../../install/object.ts';
import { FIELD_MANAGER, type KubeClient } from '../../kube/client.ts';
import { type KubeList, type KubeObject, objectName, type Secret } from '../../kube/objects.ts';
import { requireSecret } from './require-secret.ts';

/** @throws UserError where objects that we would write are somebody else's. */
export async function refuseTakenNames(
  client: KubeClient,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  // A namespace may well be there before us, for Secrets of the user's own.
  const wanted = objects.filter(({ kind }) => kind !== 'Namespace');
  const found = await Promise.all(wanted.map((object) => client.find(object, { signal })));
  const foreign = found
    .filter((object) => object !== undefined)
    .filter((object) => !isOurs(object) && !wroteIt(object));
  if (foreign.length === 0) return;
  throw new UserError(`error: already there, and not of kubectl-mcm: ${foreign.map(nameIn).join(', ')}`, {
    hint: 'remove them, or give --force-conflicts to take them over',
  });
}

/** Versions before labelled less. */
function wroteIt({ metadata }: KubeObject): boolean {
  const fields = (metadata.managedFields ?? []) as readonly { readonly manager?: string }[];
  return fields.some(({ manager }) => manager === FIELD_MANAGER);
}

function nameIn(object: KubeObject): string {
  const { namespace } = object.metadata;
  return `${objectName(object)}${namespace === undefined ? '' : ` in ${namespace}`}`;
}

/** What a manager in the cluster needs and `install` does not make. @throws UserError where it is missing */
export async function refuseMissingParts(
  client: KubeClient,
  { pod, exposure }: ClusterManager,
  signal: AbortSignal,
): Promise<void> {
  const { elasticsearchSecret, imagePullSecret, storageClass } = pod;
  if (elasticsearchSecret !== undefined) {
    refuseCredentials(
      elasticsearchSecret,
      await requireSecret(client, 'elasticsearch-secret', elasticsearchSecret, signal),
    );
  }
  if (imagePullSecret !== undefined) await requireSecret(client, 'image-pull-secret', imagePullSecret, signal);
  if (storageClass !== undefined) await requireStorageClass(client, storageClass, signal);
  if (exposure.nodePort !== undefined) await refuseNodePort(client, exposure.nodePort, signal);
}

function refuseCredentials(name: string, { data = {} }: Secret): void {
  const has = (key: string) => data[key] !== undefined;
  if (has('apiKey') !== (has('username') && has('password'))) return;
  if (!has('apiKey') && !has('username') && !has('password') && has('ca.crt')) return;
  throw new UserError(
    `error: --elasticsearch-secret: the Secret "${name}" has the keys ${Object.keys(data).join(', ') || 'none'}`,
    { hint: 'it must have username and password, or apiKey; ca.crt, tls.crt and tls.key may be there as well' },
  );
}

async function requireStorageClass(client: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  const storageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name } };
  if ((await client.find(storageClass, { signal })) !== undefined) return;
  throw new UserError(`error: --storage-class: there is no StorageClass "${name}"`, {
    hint: 'see: kubectl get storageclass',
  });
}

interface Service extends KubeObject {
  readonly spec: { readonly ports?: readonly { readonly nodePort?: number }[] };
}

async function refuseNodePort(client: KubeClient, nodePort: number, signal: AbortSignal): Promise<void> {
  const { items } = await client.get<KubeList<Service>>('/api/v1/services', { signal });
  const taken = items.find(
    ({ metadata, spec }) =>
      spec.ports?.some((port) => port.nodePort === nodePort) === true &&
      !(metadata.namespace === NAMESPACE && metadata.name === CLUSTERS_SERVICE),
  );
  if (taken === undefined) return;
  const { namespace, name } = taken.metadata;
  throw new UserError(`error: port ${nodePort} of the nodes is taken by service/${name} in ${namespace}`, {
    hint: 'give another one: --node-port PORT',
  });
}

interface StorageClassList {
  readonly items: readonly KubeObject[];
}

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** Whether a claim that names no StorageClass would wait for ever. */
export async function lacksDefaultStorageClass(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  const { items } = await client.get<StorageClassList>('/apis/storage.k8s.io/v1/storageclasses', { signal });
  return !items.some(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true');
}
