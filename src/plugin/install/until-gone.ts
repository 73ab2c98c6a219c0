import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName } from '../../kube/objects.ts';
import { untilDone } from '../connection/until-done.ts';

export interface GoneOptions {
  /** Milliseconds for all of them. */
  readonly timeout: number;
  /** Told what is waited for. */
  readonly onWaiting: (words: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Waits until objects that were deleted are there no longer, as `kubectl delete` does: a namespace empties, a
 * CustomResourceDefinition takes its resources with it, and what is applied meanwhile would go with them.
 *
 * @throws UserError when their time is over.
 */
export async function untilGone(
  client: KubeClient,
  deleted: readonly KubeObject[],
  { timeout, onWaiting, signal }: GoneOptions,
): Promise<void> {
  let left = deleted;
  const look = async () => {
    const found = await Promise.all(left.map((object) => client.find(object, { signal })));
    left = left.filter(({ metadata }, index) => found[index]?.metadata.uid === metadata.uid);
    return left.length === 0 ? undefined : `${left.map(objectName).join(', ')} to be deleted`;
  };
  await untilDone({
    name: 'what was deleted',
    deadline: performance.now() + timeout,
    look,
    onWaiting,
    advice:
      'its status says what keeps it (kubectl get ... -o yaml); run "kubectl mcm uninstall" again to go on waiting',
    signal,
  });
}
