import { NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { CLUSTERS_SERVICE, PORTS } from '../../install/management.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName } from '../../kube/objects.ts';
import { untilDone } from '../connection/until-done.ts';
import { hostPortText } from './management-flags.ts';

interface LoadBalancer extends KubeObject {
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly hostname?: string; readonly ip?: string }[] };
  };
}

export interface AddressOptions {
  /** Milliseconds for the cloud to make a load balancer. */
  readonly timeout: number;
  readonly onWaiting: (words: string) => void;
  readonly signal: AbortSignal;
}

/** Waits until the cloud has given the Service a load balancer. @throws UserError when its time is over. */
export async function loadBalancerAddress(
  client: KubeClient,
  { timeout, onWaiting, signal }: AddressOptions,
): Promise<string> {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: CLUSTERS_SERVICE, namespace: NAMESPACE } };
  let host = '';
  const look = async () => {
    const found = await client.find<LoadBalancer>(service, { signal });
    const { hostname, ip } = found?.status?.loadBalancer?.ingress?.[0] ?? {};
    host = hostname ?? ip ?? '';
    return host === '' ? `the load balancer of ${objectName(service)}` : undefined;
  };
  const advice = `run it again once it has one (kubectl describe service ${CLUSTERS_SERVICE} -n ${NAMESPACE}), or give --address HOST:PORT`;
  await untilDone({
    name: objectName(service),
    deadline: performance.now() + timeout,
    look,
    onWaiting,
    advice,
    signal,
  });
  return hostPortText({ host, port: PORTS.clusters });
}

/** Which node managed clusters would reach, and for how long, nobody can tell. */
export function noAddress(): UserError {
  return new UserError('error: --address HOST:PORT is needed: where managed clusters reach a node of this cluster', {
    hint: 'or give --expose loadbalancer: then it is the address of the load balancer',
  });
}
