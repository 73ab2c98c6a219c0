import { MANAGED_CLUSTER_CRD } from '../../clusters/managed-cluster-crd.ts';
import { FORMATS, refuseNewer } from '../../formats.ts';
import { applyAll } from '../../install/apply.ts';
import { FORMAT_ANNOTATION, MANAGER } from '../../install/management.ts';
import { readManagementConfig } from '../../install/management-config.ts';
import { managementKeys } from '../../install/management-keys.ts';
import { type ManagementKeys, managementObjects, OPTIONAL_OBJECTS } from '../../install/management-objects.ts';
import { isOurs } from '../../install/object.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectPath } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import { loadBalancerAddress, noAddress } from './address.ts';
import { asClusterIs } from './cluster-facts.ts';
import type { ManagementRequest } from './management-flags.ts';
import { lacksDefaultStorageClass, refuseMissingParts, refuseTakenNames } from './refusals.ts';

export interface InstallOptions {
  /** Ask the API server about each object, and change nothing. */
  readonly dryRun: boolean;
  /** Take over what others have written. */
  readonly force: boolean;
  /** Milliseconds for the cloud to make a load balancer. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** Told of each object once, when it is as it should be. */
  readonly onApplied: (object: KubeObject, outcome: string) => void;
  readonly warn: (text: string) => void;
  /** Told what is waited for. */
  readonly onWaiting: (words: string) => void;
}

/**
 * Makes a cluster a management cluster: everything is asked about first, so that what cannot be leaves nothing behind,
 * then applied. It can be run again after a failure, and goes on.
 *
 * @returns what there is now.
 * @throws UserError when the request does not fit the cluster, before anything is changed.
 */
export async function installManagement(
  client: KubeClient,
  asked: ManagementRequest,
  options: InstallOptions,
): Promise<readonly KubeObject[]> {
  const { dryRun, force, signal } = options;
  const request = await fitToCluster(client, asked, options);
  const told = new Set<string>();
  const onApplied = (object: KubeObject, outcome: string) => {
    if (told.has(objectPath(object))) return;
    told.add(objectPath(object));
    options.onApplied(object, outcome);
  };
  const rehearsed = managementObjects(request, undefined);
  await rehearse(client, rehearsed, { ...options, onApplied: dryRun ? onApplied : () => undefined });
  if (dryRun) return rehearsed;
  const apply = async (objects: readonly KubeObject[]) =>
    await applyAll(client, objects, { dryRun: false, force, signal, onApplied });
  // The keys live in the namespace, so it comes before everything else.
  await apply(rehearsed.filter(({ kind }) => kind === 'Namespace'));
  const onCreated = (secret: KubeObject) => onApplied(secret, 'created');
  const keys = await managementKeys(client, { store: true, onCreated, signal });
  const address = request.address ?? (await addressOfService(client, request, keys, apply, options));
  const objects = managementObjects({ ...request, address }, keys);
  await apply(objects);
  await removeOthers(client, objects, options);
  return objects;
}

async function fitToCluster(
  client: KubeClient,
  asked: ManagementRequest,
  { signal, warn }: InstallOptions,
): Promise<ManagementRequest> {
  const request = await asClusterIs(client, asked, signal);
  await refuseNewerCluster(client, signal);
  const { manager } = request;
  const address = request.address ?? (await readManagementConfig(client, signal))?.address;
  if (!('pod' in manager)) return request;
  if (address === undefined && manager.exposure.type === 'NodePort') throw noAddress();
  await refuseMissingParts(client, manager, signal);
  if (manager.pod.storageClass === undefined && (await lacksDefaultStorageClass(client, signal))) {
    warn(
      'the cluster has no default StorageClass: the manager waits for its volume until there is one, or give --storage-class',
    );
  }
  return { ...request, address };
}

/** @throws UserError where a newer version of this program has been at work. */
async function refuseNewerCluster(client: KubeClient, signal: AbortSignal): Promise<void> {
  const found = await client.find(MANAGED_CLUSTER_CRD, { signal });
  const format = Number(found?.metadata.annotations?.[FORMAT_ANNOTATION]);
  refuseNewer('what is installed', format, FORMATS.managedClusters);
}

async function rehearse(
  client: KubeClient,
  objects: readonly KubeObject[],
  { force, signal, onApplied }: InstallOptions,
): Promise<void> {
  if (!force) await refuseTakenNames(client, objects, signal);
  try {
    await applyAll(client, objects, { dryRun: true, force, signal, onApplied });
  } catch (error) {
    if (!isStatus(error, 422) || !error.message.includes('statefulset')) throw error;
    throw error.withHint(
      `a StatefulSet's volumes cannot be changed: kubectl delete statefulset ${MANAGER} -n kubectl-mcm, and run this again; claims stay, and are taken as they are`,
    );
  }
}

/** The Services come first, where only they can tell the address. */
async function addressOfService(
  client: KubeClient,
  request: ManagementRequest,
  keys: ManagementKeys,
  apply: (objects: readonly KubeObject[]) => Promise<void>,
  options: InstallOptions,
): Promise<string> {
  await apply(managementObjects(request, keys).filter(({ kind }) => kind === 'Service'));
  return await loadBalancerAddress(client, options);
}

/** What an earlier run has made, and this request has no use for. */
async function removeOthers(
  client: KubeClient,
  objects: readonly KubeObject[],
  { signal, onApplied }: InstallOptions,
): Promise<void> {
  const wanted = new Set(objects.map(objectPath));
  for (const object of OPTIONAL_OBJECTS.filter((optional) => !wanted.has(objectPath(optional)))) {
    const found = await client.find(object, { signal });
    if (found === undefined || !isOurs(found)) continue;
    await client.delete(found, { signal });
    onApplied(found, 'deleted');
  }
}
