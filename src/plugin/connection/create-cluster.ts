import type { ManagedCluster } from '../../clusters/managed-cluster.ts';
import { messageOf, UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { objectName } from '../../kube/objects.ts';
import { isStatus, StatusError } from '../../kube/status.ts';

/** Nobody knows whether the object was created: the answer was lost, and so was the one to a look whether it is there. */
export class OutcomeUnknown extends UserError {
  override readonly name = 'OutcomeUnknown';

  withHint(hint: string): OutcomeUnknown {
    return new OutcomeUnknown(this.message, { hint, cause: this.cause });
  }
}

/**
 * Creates a ManagedCluster. Where the answer is lost, or the name is taken, a look tells whether it is there with the very
 * certificates that were sent: they are nobody else's, and a request of somebody who was killed can still arrive.
 * @throws OutcomeUnknown, StatusError, ConnectionError
 */
export async function createCluster(
  management: KubeClient,
  wanted: ManagedCluster,
  options: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<ManagedCluster> {
  try {
    return await management.create(wanted, options);
  } catch (error) {
    // A 404 that names no object is about the resource itself.
    if (isStatus(error, 404) && error.status.details?.name === undefined) {
      throw error.withHint('The CustomResourceDefinition is missing: kubectl mcm upgrade');
    }
    const isTaken = isStatus(error, 409);
    if (!isTaken && (options.dryRun || isRefusal(error))) throw error;
    const found = await find(management, wanted, error, options.signal);
    if (found === undefined || found.spec.certificate !== wanted.spec.certificate) {
      throw isTaken
        ? error.withHint(`its manifest is not kept; for one with new keys: kubectl mcm reissue ${wanted.metadata.name}`)
        : error;
    }
    return found;
  }
}

/** Whether the API server has surely not done what it was asked. */
function isRefusal(error: unknown): boolean {
  return error instanceof StatusError && error.code < 500;
}

async function find(
  management: KubeClient,
  wanted: ManagedCluster,
  lost: unknown,
  signal: AbortSignal,
): Promise<ManagedCluster | undefined> {
  try {
    return await management.find<ManagedCluster>(wanted, { signal });
  } catch {
    const words = `error: it is not known whether ${objectName(wanted)} was created: ${messageOf(lost)}`;
    throw new OutcomeUnknown(words, { cause: lost });
  }
}
