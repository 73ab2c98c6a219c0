import { connectionManifest } from '../../clusters/connection-manifest.ts';
import { MANAGED_CLUSTER_API, NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { checkManaged } from '../../install/managed-checks.ts';
import { keyObjects, type ManagedOptions, workloadObjects } from '../../install/managed-objects.ts';
import { everyManagementObject } from '../../install/management-objects.ts';
import { ConnectionError, type KubeClient } from '../../kube/client.ts';
import { type ConfigMap, collectionPath, type KubeObject } from '../../kube/objects.ts';
import { StatusError } from '../../kube/status.ts';
import { type Finding, ok, type Section, wrong } from './finding.ts';
import { orSkipped } from './plane-checks.ts';

/** Kubernetes has had the rules of our CustomResourceDefinition (CEL) and API Priority and Fairness v1 since. */
const OLDEST_KUBERNETES = [1, 29] as const;

/** Whether `install management`, and `add-cluster`, will have what they need here. Changes nothing. */
export async function managementPreChecks(client: KubeClient, signal: AbortSignal): Promise<Section> {
  const objects = everyManagementObject();
  return {
    title: 'before install management and add-cluster',
    findings: [
      await kubernetesVersion(client, signal),
      ...(await orSkipped('aggregation', async () => [await aggregation(client, signal)])),
      ...(await orSkipped('api-taken', async () => await foreignApis(client, objects, signal))),
      await rightsFinding(client, objects, 'install management', signal),
      await rightsFinding(
        client,
        [{ apiVersion: MANAGED_CLUSTER_API, kind: 'ManagedCluster', metadata: { name: 'any' } }],
        'add-cluster',
        signal,
      ),
    ],
  };
}

/** The same for what `add-cluster` and `install managed` write into a managed cluster. */
export async function managedPreChecks(
  client: KubeClient,
  operatorNamespace: string,
  signal: AbortSignal,
): Promise<Section> {
  const none = { certificate: '', key: '' };
  const connection = { address: 'any:1', ca: '', operatorNamespace, tunnel: none, forwarder: none };
  const manifest = connectionManifest(connection);
  const managed: ManagedOptions = {
    ...{ cluster: 'any', connection, image: 'any', imagePullSecret: undefined, proxy: {} },
    impersonated: { users: ['any'], groups: [], serviceAccounts: [] },
    lifecycle: true,
  };
  const objects = [...keyObjects(managed), ...workloadObjects(managed)];
  return {
    title: `before add-cluster and install managed, with --managed-context ${client.context.name}`,
    findings: [
      ...(await orSkipped('calico', async () => [await calicoFinding(client, operatorNamespace, signal)])),
      await rightsFinding(client, manifest, 'add-cluster', signal),
      await rightsFinding(client, objects, 'install managed', signal),
    ],
  };
}

/** Whether there is a Calico that can be connected. */
async function calicoFinding(client: KubeClient, operatorNamespace: string, signal: AbortSignal): Promise<Finding> {
  const { name } = client.context;
  try {
    const found = await checkManaged(client, operatorNamespace, signal);
    if (found.opens === 'guardian') return ok('calico', `"${name}" runs Calico ${found.calico} with tigera-operator`);
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof StatusError || error instanceof ConnectionError) throw error;
    return wrong('calico', error.message.replace(/^error: /, ''), '', error.hint ?? '');
  }
  const todo = `connect it by our agent: kubectl mcm install managed NAME --managed-context ${name} --image IMAGE`;
  return wrong('calico', `"${name}" has no tigera-operator, and so no Guardian`, '', todo);
}

async function kubernetesVersion(client: KubeClient, signal: AbortSignal): Promise<Finding> {
  const { gitVersion } = await client.get<{ readonly gitVersion: string }>('/version', { signal });
  const [, major = '0', minor = '0'] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  const [oldestMajor, oldestMinor] = OLDEST_KUBERNETES;
  const isOld = Number(major) * 1000 + Number(minor) < oldestMajor * 1000 + oldestMinor;
  const oldest = OLDEST_KUBERNETES.join('.');
  if (!isOld) return ok('kubernetes-version', `Kubernetes ${gitVersion} is new enough (${oldest})`);
  return wrong(
    'kubernetes-version',
    `Kubernetes ${gitVersion} is too old`,
    `${oldest} is needed`,
    'upgrade Kubernetes',
  );
}

/** kube-apiserver introduces its users to the manager by a certificate, whose CA it must publish. */
async function aggregation(client: KubeClient, signal: AbortSignal): Promise<Finding> {
  const metadata = { name: 'extension-apiserver-authentication', namespace: 'kube-system' };
  const config = await client.find<ConfigMap>({ apiVersion: 'v1', kind: 'ConfigMap', metadata }, { signal });
  if (config?.data?.['requestheader-client-ca-file'] !== undefined) {
    return ok('aggregation', 'kube-apiserver has its aggregation layer turned on');
  }
  return wrong(
    'aggregation',
    'kube-apiserver has its aggregation layer turned off',
    `the ConfigMap kube-system/${metadata.name} has no requestheader-client-ca-file`,
    'give kube-apiserver --requestheader-client-ca-file and --proxy-client-cert-file: https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/',
  );
}

interface ApiService extends KubeObject {
  readonly spec: { readonly service?: { readonly namespace?: string; readonly name?: string } | null };
}

/** An API of ours that somebody else serves: Calico Enterprise has lma.tigera.io, too. */
async function foreignApis(
  client: KubeClient,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const object of objects.filter(({ kind }) => kind === 'APIService')) {
    const found = await client.find<ApiService>(object, { signal });
    const service = found?.spec.service;
    if (found === undefined || service?.namespace === NAMESPACE) continue;
    const what = `the API ${object.metadata.name} is served by somebody else`;
    const cause = `its Service is ${service?.namespace}/${service?.name}`;
    findings.push(wrong('api-taken', what, cause, 'install into a cluster that does not run Calico Enterprise'));
  }
  return findings.length > 0 ? findings : [ok('api-taken', 'nobody else serves our APIs')];
}

/** What server-side apply takes, of every resource among the objects: by the caller's own rights. */
async function rightsFinding(
  client: KubeClient,
  objects: readonly KubeObject[],
  verb: string,
  signal: AbortSignal,
): Promise<Finding> {
  const resources = new Map(objects.map((object) => [collectionPath(object), resourceOf(object)]));
  const asked = [...resources.values()].flatMap((resource) =>
    ['get', 'create', 'patch'].map((right) => ({ verb: right, ...resource })),
  );
  const answers = await Promise.all(asked.map(async (one) => ({ ...one, allowed: await mayI(client, one, signal) })));
  const missing = answers.filter(({ allowed }) => !allowed);
  if (missing.length === 0) return ok('rights', `you may do what "${verb}" does (${asked.length} rights)`);
  const list = missing.map(
    ({ verb: right, resource, group }) => `${right} ${resource}${group === '' ? '' : `.${group}`}`,
  );
  return wrong(
    'rights',
    `you may not do what "${verb}" does`,
    `missing: ${list.join(', ')}`,
    'come as an administrator of the cluster, for example with --context or --as',
  );
}

interface AskedResource {
  readonly group: string;
  readonly resource: string;
  readonly namespace?: string;
}

function resourceOf(object: KubeObject): AskedResource {
  const { apiVersion, metadata } = object;
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const resource = collectionPath(object).split('/').at(-1) ?? '';
  return { group, resource, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) };
}

async function mayI(
  client: KubeClient,
  resourceAttributes: AskedResource & { readonly verb: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { status } = await client.review<{ readonly status?: { readonly allowed?: boolean } }>(
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } },
    { signal },
  );
  return status?.allowed === true;
}
