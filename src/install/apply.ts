import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../errors.ts';
import type { Applied, ApplyOptions, KubeClient } from '../kube/client.ts';
import { type Condition, type KubeObject, objectName, objectPath } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';

export interface ApplyAllOptions {
  /** Ask the server about every object and store none. */
  readonly dryRun: boolean;
  /** Take over fields that another field manager owns. */
  readonly force?: boolean;
  readonly signal: AbortSignal;
  /** Told of each object once the server has taken it. */
  readonly onApplied: (object: KubeObject, outcome: Applied<KubeObject>['outcome']) => void;
}

/** Applies objects in order, waiting until a CustomResourceDefinition is served before what may need it. */
export async function applyAll(
  client: KubeClient,
  objects: readonly KubeObject[],
  { dryRun, force = false, signal, onApplied }: ApplyAllOptions,
): Promise<void> {
  const created = new Set<string>();
  for (const object of objects) {
    const { namespace, name } = object.metadata;
    if (dryRun && namespace !== undefined && created.has(namespace)) {
      // The server cannot be asked about what would be in a namespace that is not there yet.
      onApplied(object, 'created');
      continue;
    }
    const { outcome } = await applyOne(client, object, { dryRun, force, signal });
    if (object.kind === 'Namespace' && outcome === 'created') created.add(name);
    onApplied(object, outcome);
    if (object.kind === 'CustomResourceDefinition' && !dryRun) await untilEstablished(client, object, signal);
  }
}

async function applyOne(client: KubeClient, object: KubeObject, options: ApplyOptions): Promise<Applied<KubeObject>> {
  try {
    return await client.apply(object, options);
  } catch (error) {
    if (object.kind === 'Job' && isImmutable(error)) return await replace(client, object, options);
    if (!isStatus(error, 409)) throw error;
    throw error.withHint(
      `${objectName(object)} was written by other means; change it there first, or give --force-conflicts`,
    );
  }
}

/** A Job's pods are what they were when it was created. */
function isImmutable(error: unknown): boolean {
  return isStatus(error, 422) && error.message.includes('field is immutable');
}

async function replace(client: KubeClient, object: KubeObject, options: ApplyOptions): Promise<Applied<KubeObject>> {
  if (options.dryRun !== true) {
    await client.deleteIfThere(object, { signal: options.signal });
    await client.apply(object, options);
  }
  return { object, outcome: 'configured' };
}

const ESTABLISH_TIMEOUT = 30_000;
const POLL = 200;

/** Waits until the API server serves a kind. @throws UserError after half a minute */
export async function untilEstablished(client: KubeClient, crd: KubeObject, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + ESTABLISH_TIMEOUT;
  while (Date.now() < deadline) {
    const { status } = await client.get<
      KubeObject & { readonly status?: { readonly conditions?: readonly Condition[] } }
    >(objectPath(crd), { signal });
    if (status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True')) return;
    await sleep(POLL, undefined, { signal });
  }
  throw new UserError(`error: timed out waiting for ${objectName(crd)} to be established`);
}
