import { INSTALLATION, type Installation } from '../../install/cluster-type.ts';
import { CALICO_API } from '../../install/manager-policies.ts';
import type { KubeClient } from '../../kube/client.ts';
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

async function hasCalicoNetwork(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  const found = await client.find<Installation>(INSTALLATION, { signal });
  return found?.spec?.cni?.type === 'Calico';
}
