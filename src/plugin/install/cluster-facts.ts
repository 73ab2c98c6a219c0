import { CALICO_API } from '../../install/manager-policies.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { ManagementRequest } from './management-flags.ts';

/** The request with what only the cluster can say: whether Calico is there, and who reaches pods of its network. */
export async function asClusterIs(
  client: KubeClient,
  request: ManagementRequest,
  signal: AbortSignal,
): Promise<ManagementRequest> {
  const { manager, cloud } = request;
  if (!('pod' in manager)) return request;
  const metadata = { name: 'default', namespace: 'default' };
  const calico = await client.serves({ apiVersion: CALICO_API, kind: 'NetworkPolicy', metadata }, { signal });
  const outside = cloud?.apiServersOutsideCalicoNetwork === true && (await hasCalicoNetwork(client, signal));
  return {
    ...request,
    manager: { ...manager, calico, pod: { ...manager.pod, hostNetwork: manager.pod.hostNetwork || outside } },
  };
}

/** tigera-operator's Installation, as far as it says whose network pods are in. */
interface Installation extends KubeObject {
  readonly spec?: { readonly cni?: { readonly type?: string } };
}

async function hasCalicoNetwork(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  const installation = { apiVersion: 'operator.tigera.io/v1', kind: 'Installation', metadata: { name: 'default' } };
  const found = await client.find<Installation>(installation, { signal });
  return found?.spec?.cni?.type === 'Calico';
}
