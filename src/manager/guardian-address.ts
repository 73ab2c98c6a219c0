import type { ClusterObjects } from './cluster-objects.ts';

/** What tigera-operator makes of a ManagementClusterConnection; Guardian's own rights cover reading it. */
const NAMESPACE = 'calico-system';
const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'guardian', namespace: NAMESPACE } };
const ADDRESS_VARIABLE = 'GUARDIAN_VOLTRON_URL';

/**
 * The address that the Guardian dials which has answered this: that of every pod which may still be running, also of
 * those that are about to go. The environment of a pod never changes, and no clock is needed. What the Deployment says
 * would not do: it is new while the Guardian of before has the tunnel.
 * @throws ClusterRefusal; Error saying what shows no such address
 */
export async function guardianAddress(objects: ClusterObjects): Promise<string> {
  const { object } = await objects.read(DEPLOYMENT);
  const { matchLabels } = (object as { spec?: { selector?: { matchLabels?: unknown } } }).spec?.selector ?? {};
  const labels = Object.entries((matchLabels ?? {}) as object).map(([name, value]) => `${name}=${value}`);
  if (labels.length === 0) throw new Error('the Deployment guardian selects no pods');
  const selector = encodeURIComponent(labels.join());
  const pods = (await objects.list(`/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${selector}`)) as readonly Pod[];
  const alive = pods.filter(({ status }) => status?.phase !== 'Failed' && status?.phase !== 'Succeeded');
  if (!alive.some(({ status }) => status?.phase === 'Running')) throw new Error('no pod of Guardian runs');
  const [address, ...others] = new Set(alive.map(addressIn));
  if (address === undefined) throw new Error(`a pod of Guardian has no ${ADDRESS_VARIABLE}`);
  if (others.length > 0) throw new Error('there are pods of Guardian with different addresses');
  return address;
}

/** As far as it is read; anything of it may be missing. */
interface Pod {
  readonly spec?: {
    readonly containers?: readonly { readonly env?: readonly { readonly name?: string; readonly value?: string }[] }[];
  };
  readonly status?: { readonly phase?: string };
}

function addressIn({ spec }: Pod): string | undefined {
  const variables = (spec?.containers ?? []).flatMap(({ env = [] }) => env);
  return variables.find(({ name }) => name === ADDRESS_VARIABLE)?.value;
}
