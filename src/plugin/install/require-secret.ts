import { NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Secret } from '../../kube/objects.ts';

/** A Secret of the user's own in our namespace, which a flag names. @throws UserError where it is missing */
export async function requireSecret(
  client: KubeClient,
  flag: string,
  name: string,
  signal: AbortSignal,
): Promise<Secret> {
  const metadata = { name, namespace: NAMESPACE };
  const secret = await client.find<Secret>({ apiVersion: 'v1', kind: 'Secret', metadata }, { signal });
  if (secret !== undefined) return secret;
  const context = client.context.name;
  throw new UserError(`error: --${flag}: "${context}" has no Secret "${name}" in the namespace ${NAMESPACE}`, {
    hint: `make it first: kubectl create namespace ${NAMESPACE} --context ${context}; kubectl create secret -n ${NAMESPACE} --context ${context} --help`,
  });
}
