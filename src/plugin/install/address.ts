import { setTimeout as sleep } from 'node:timers/promises';
import { NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { CLUSTERS_SERVICE, PORTS } from '../../install/management.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { hostPortText } from './management-flags.ts';

const POLL = 1_000;

interface LoadBalancer extends KubeObject {
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly hostname?: string; readonly ip?: string }[] };
  };
}

/** Waits until the cloud has given the Service a load balancer. @throws UserError after `timeout` milliseconds */
export async function loadBalancerAddress(client: KubeClient, timeout: number, signal: AbortSignal): Promise<string> {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: CLUSTERS_SERVICE, namespace: NAMESPACE } };
  const deadline = performance.now() + timeout;
  for (;;) {
    const found = await client.find<LoadBalancer>(service, { signal });
    const { hostname, ip } = found?.status?.loadBalancer?.ingress?.[0] ?? {};
    const host = hostname ?? ip;
    if (host !== undefined) return hostPortText({ host, port: PORTS.clusters });
    if (performance.now() > deadline) throw noLoadBalancer();
    await sleep(POLL, undefined, { signal });
  }
}

function noLoadBalancer(): UserError {
  return new UserError(`error: timed out waiting for the load balancer of service/${CLUSTERS_SERVICE}`, {
    hint: `run it again once it has an address (kubectl describe service ${CLUSTERS_SERVICE} -n ${NAMESPACE}), or give --address HOST:PORT`,
  });
}

/** Which node managed clusters would reach, and for how long, nobody can tell. */
export function noAddress(): UserError {
  return new UserError('error: --address HOST:PORT is needed: where managed clusters reach a node of this cluster', {
    hint: 'or give --expose loadbalancer: then it is the address of the load balancer',
  });
}
