import { X509Certificate } from 'node:crypto';
import { MANAGED_CLUSTER_GROUP, NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { INSTALLATION, type Installation, readClusterType } from '../../install/cluster-type.ts';
import { FLEET_API, MANAGEMENT_CONFIG, MANAGER_API, PROXY_API } from '../../install/management.ts';
import { readManagementConfig } from '../../install/management-config.ts';
import { ConnectionError, type KubeClient } from '../../kube/client.ts';
import type { Condition, KubeList, KubeObject } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import { ClusterBindings } from '../../rbac/cluster-bindings.ts';
import { LOG_ACCESS_API } from '../../rbac/log-access.ts';
import { has, nameOf } from '../../rbac/rbac-objects.ts';
import { isHostPort } from '../host-port.ts';
import type { Plane } from '../status/plane.ts';
import { planeStatus } from '../status/plane-status.ts';
import type { Problem } from '../status/problem.ts';
import { dialChecks } from './dial-checks.ts';
import { expiryFinding } from './expiry-finding.ts';
import { doubtful, type Finding, ok, skipped, wrong } from './finding.ts';

/** Puts everything in place again, with the flags that `install management` was given. */
const UPGRADE = 'kubectl mcm upgrade';

/** `install` never replaces a CA by itself: every managed cluster trusts the one that it was given. */
const NEW_CA = `kubectl delete secret ca manager-tls -n ${NAMESPACE}, then ${UPGRADE}, start the manager again, and "kubectl mcm reissue" for every cluster`;

/** How the management cluster is asked, and what was read of it already. */
export interface PlaneCheckOptions {
  readonly client: KubeClient;
  readonly plane: Plane;
  readonly now: number;
  readonly signal: AbortSignal;
}

/** The management cluster, from its API server to its store, in the order in which one needs the other. */
export async function planeChecks(options: PlaneCheckOptions): Promise<readonly Finding[]> {
  const { client, plane, now, signal } = options;
  const version = await client.get<{ readonly gitVersion: string }>('/version', { signal });
  return [
    ok('kubernetes-api', `the Kubernetes API answers (${version.gitVersion})`),
    ...(await orSkipped('cluster-type', async () => [await clusterType(client, signal)])),
    ...(await orSkipped('address', async () => await addressChecks(options))),
    ...(await orSkipped('api-service', async () => await apiServiceChecks(client, signal))),
    ...managerChecks(plane, now),
    ...(await orSkipped('who-may-register', async () => [await registrars(client, signal)])),
    ...(await orSkipped('leftovers', async () => await leftovers(client, signal))),
  ];
}

/** A check that takes a right which not everybody has. */
export async function orSkipped(id: string, check: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof ConnectionError) throw error;
    const message = isStatus(error, 403) ? 'you may not see it' : 'it could not be looked at';
    return [skipped(id, `${id}: ${message}`, error.message)];
  }
}

/** A cluster that is told to be two things, or half of one, does neither. */
async function clusterType(client: KubeClient, signal: AbortSignal): Promise<Finding> {
  const { type, problems } = await readClusterType(client, signal);
  if (type !== 'Invalid') return ok('cluster-type', `its type is ${type}`);
  return wrong(
    'cluster-type',
    'what is in it contradicts itself',
    problems.join('; '),
    'kubectl mcm type shows what says so',
  );
}

async function addressChecks({ client, now, signal }: PlaneCheckOptions): Promise<readonly Finding[]> {
  const { address, ca } = (await readManagementConfig(client, signal)) ?? {};
  if (address === undefined || ca === undefined) {
    const cause = `there is no ConfigMap ${NAMESPACE}/${MANAGEMENT_CONFIG} with its address and CA`;
    return [wrong('address', 'this is no management cluster yet', cause, 'kubectl mcm install management --help')];
  }
  if (!isHostPort(address)) {
    return [
      wrong(
        'address',
        `managed clusters cannot dial "${address}"`,
        'it is not of the form HOST:PORT',
        `${UPGRADE} --address HOST:PORT`,
      ),
    ];
  }
  const expires = Date.parse(new X509Certificate(ca).validTo);
  return [
    ok('address', `managed clusters are told to dial ${address}`),
    ...(await dialChecks({ address, ca, now, signal })),
    expiryFinding('ca-certificate', 'the CA that managed clusters trust', expires, NEW_CA, now),
  ];
}

interface ApiService extends KubeObject {
  readonly spec: { readonly service?: { readonly name: string; readonly namespace: string } | null };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Ours must be there and available; and any other that is not keeps namespaces from being deleted. */
async function apiServiceChecks(client: KubeClient, signal: AbortSignal): Promise<readonly Finding[]> {
  const path = '/apis/apiregistration.k8s.io/v1/apiservices';
  const { items } = await client.get<KubeList<ApiService>>(path, { signal });
  const ours = [LOG_ACCESS_API, MANAGER_API, FLEET_API, PROXY_API].map((api) => api.split('/').reverse().join('.'));
  const own = ours.map((name) => {
    const found = items.find(({ metadata }) => metadata.name === name);
    if (found === undefined) return wrong('api-service', `the API service ${name} is missing`, '', UPGRADE);
    const fault = unavailable(found);
    if (fault === undefined) return ok('api-service', `the API service ${name} is available`);
    const todo = `start the manager (kubectl mcm manager), see that kube-apiserver reaches its API port; where it is gone for good: kubectl delete apiservice ${name}`;
    return wrong('api-service', `the API service ${name} has no backend that answers`, fault, todo);
  });
  const others = items.flatMap((item) => {
    const fault = ours.includes(item.metadata.name) ? undefined : unavailable(item);
    if (fault === undefined) return [];
    const { name } = item.metadata;
    const what = `the API service ${name} has no backend: no namespace can be deleted in this cluster`;
    return [
      doubtful('api-service-without-backend', what, fault, `mend its backend, or: kubectl delete apiservice ${name}`),
    ];
  });
  return [...own, ...others];
}

/** Why kube-apiserver cannot use it; undefined where it can. */
function unavailable({ status }: ApiService): string | undefined {
  const available = status?.conditions?.find(({ type }) => type === 'Available');
  return available?.status === 'False' ? `${available.reason}: ${available.message}` : undefined;
}

/** The check that a problem of `status` belongs to; those that are not here are the store's. */
const CHECK_OF: Readonly<Record<string, string>> = {
  NoManager: 'manager',
  NotReady: 'manager',
  StoreOpen: 'store-security',
  SpoolFull: 'spool',
  SpoolTakesNothing: 'spool',
  SpoolFilling: 'spool',
  DaysNotLookedAfter: 'retention',
  SettingsRefused: 'retention',
  CertificateExpired: 'manager-certificate',
  CertificateExpires: 'manager-certificate',
};

/** The manager and what is behind it, as `status` has it. */
function managerChecks({ managers }: Plane, now: number): readonly Finding[] {
  // Clusters have sections of their own.
  const { problems, notRead } = planeStatus({ managers, clusters: { items: [] } }, now);
  const [refused] = notRead;
  if (refused !== undefined) return [skipped('manager', 'manager: you may not see it', refused.message)];
  const found = Map.groupBy(problems, ({ reason }) => CHECK_OF[reason] ?? 'store');
  const inOrder =
    'items' in managers
      ? managers.items.flatMap(({ metadata, status }) => [
          ok('manager', `the manager ${metadata.name} answers (v${status.version})`),
          expiryFinding(
            'manager-certificate',
            "the manager's certificate",
            Date.parse(status.certificateExpires),
            `${UPGRADE}, and start the manager again`,
            now,
          ),
          ok(
            'store',
            `Elasticsearch ${status.store.version} at ${status.store.urls.join(', ')} is ${status.store.health}`,
          ),
          ok('store-security', 'Elasticsearch asks for a password or key'),
          status.spool === undefined
            ? ok('spool', 'the manager keeps no spool: what Elasticsearch does not take, senders keep')
            : ok('spool', `${status.spool.records} records wait in the spool`),
          ok('retention', 'old days are looked after'),
        ])
      : [];
  const ids = new Set([...inOrder.map(({ id }) => id), ...found.keys()]);
  return [...ids].flatMap((id) => {
    const bad = found.get(id)?.map((problem) => problemFinding(id, problem));
    return bad ?? inOrder.filter((finding) => finding.id === id);
  });
}

/** So many places are named; `status` has more. */
const MOST_PLACES = 5;

export function problemFinding(id: string, { level, message, places, todo }: Problem): Finding {
  const make = level === 'error' ? wrong : doubtful;
  const more = places.length > MOST_PLACES ? [`and ${places.length - MOST_PLACES} more`] : [];
  return make(id, message, [...places.slice(0, MOST_PLACES), ...more].join('; '), todo);
}

/** A certificate in a ManagedCluster speaks for it: so whoever may write these may speak for clusters. */
async function registrars(client: KubeClient, signal: AbortSignal): Promise<Finding> {
  const bindings = await ClusterBindings.read(client, signal);
  const writers = bindings.holdersOf(
    ({ apiGroups = [], resources = [], verbs }) =>
      has(apiGroups, MANAGED_CLUSTER_GROUP) &&
      has(resources, 'managedclusters') &&
      ['create', 'update', 'patch'].some((verb) => has(verbs, verb)),
  );
  const names = new Set(writers.map(({ bound }) => `${bound.kind} ${nameOf(bound)}`));
  return ok('who-may-register', `who may register clusters, and so speak for them: ${[...names].sort().join(', ')}`);
}

/** Objects of older ways to do this, which mislead people or break what is there. */
async function leftovers(client: KubeClient, signal: AbortSignal): Promise<readonly Finding[]> {
  const service = (name: string, namespace: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
  });
  const found: Finding[] = [];
  for (const one of [service('tigera-manager-mcm', 'tigera-manager'), service('calico-manager-mcm', 'calico-system')]) {
    if ((await client.find(one, { signal })) === undefined) continue;
    const { name, namespace } = one.metadata;
    const what = `the Service ${namespace}/${name} is Calico Enterprise's tunnel, not this manager's`;
    const todo = `once no cluster dials it: kubectl delete service ${name} -n ${namespace}`;
    found.push(doubtful('old-tunnel-service', what, 'clusters that still dial it do not reach this manager', todo));
  }
  const installation = await client.find<Installation>(INSTALLATION, { signal });
  const type = installation?.spec?.clusterManagementType;
  if (type !== undefined) {
    const patch = `kubectl patch installation default --type=json -p '[{"op":"remove","path":"/spec/clusterManagementType"}]'`;
    const what = `the Installation says clusterManagementType: ${type}`;
    found.push(
      doubtful('old-installation-field', what, 'Calico Enterprise 3.0 and 3.1 read that, and nothing does now', patch),
    );
  }
  return found.length > 0 ? found : [ok('leftovers', 'there is nothing left of older ways to connect clusters')];
}
