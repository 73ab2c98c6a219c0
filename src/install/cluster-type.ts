import { CONNECTION_NAME } from '../clusters/connection-manifest.ts';
import { MANAGEMENT_CLUSTER, NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import { type ConfigMap, collectionPath, type KubeList, type KubeObject, objectName } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';
import { AGENT, CLUSTER_LABEL, FORWARDER } from './managed-objects.ts';
import { MANAGEMENT_CONFIG, MANAGEMENT_KEYS } from './management.ts';

/** What a cluster is among others; `Invalid` where what is in it contradicts itself. */
export type ClusterType = 'Standalone' | 'Management' | 'Managed' | 'Invalid';

/** Whose way it is of saying what a cluster is. */
export type Dialect = 'kubectl-mcm' | 'Calico' | 'Calico Enterprise' | 'Calico Enterprise 3.0 and 3.1';

/** An object that says what the cluster is. */
export interface Evidence {
  /** As kubectl names it. */
  readonly object: string;
  readonly namespace?: string;
  readonly says: string;
  readonly dialect: Dialect;
  /** Absent where it only has to fit. */
  readonly means?: 'Management' | 'Managed';
}

export interface ClusterTypeReport {
  readonly type: ClusterType;
  readonly evidence: readonly Evidence[];
  /** Why it is Invalid. */
  readonly problems: readonly string[];
}

export const OPERATOR_API = 'operator.tigera.io/v1';

/** The operator's Installation, as far as it is read. */
export interface Installation extends KubeObject {
  readonly spec?: {
    readonly variant?: string;
    readonly clusterManagementType?: string;
    /** Whose network pods are in. */
    readonly cni?: { readonly type?: string };
  };
  readonly status?: { readonly variant?: string; readonly calicoVersion?: string };
}

export const INSTALLATION = { apiVersion: OPERATOR_API, kind: 'Installation', metadata: { name: 'default' } } as const;

/** The name under which Calico Enterprise goes in an Installation. */
export const ENTERPRISE_VARIANT = 'TigeraSecureEnterprise';

interface Addressed extends KubeObject {
  readonly spec?: { readonly address?: string; readonly managementClusterAddr?: string };
}

/** Looks at everything that says what a cluster is. @throws StatusError where one may not be read: nothing is guessed. */
export async function readClusterType(client: KubeClient, signal: AbortSignal): Promise<ClusterTypeReport> {
  const installation = await client.find<Installation>(INSTALLATION, { signal });
  const calico: Dialect = installation?.spec?.variant === ENTERPRISE_VARIANT ? 'Calico Enterprise' : 'Calico';
  const managements = await list(client, 'ManagementCluster', signal);
  const connections = await list(client, 'ManagementClusterConnection', signal);
  const logStorages = await list(client, 'LogStorage', signal);
  const evidence: readonly Evidence[] = [
    ...managements.map((object) => ({
      ...named(object),
      says: `managed clusters dial ${object.spec?.address ?? 'an address that its manifests say'}`,
      dialect: 'Calico Enterprise' as const,
      means: 'Management' as const,
    })),
    ...connections.map((object) => ({
      ...named(object),
      says: `dials ${object.spec?.managementClusterAddr || 'no address'}`,
      dialect: calico,
      means: 'Managed' as const,
    })),
    ...ofInstallation(installation),
    ...(await ofOurs(client, signal)),
    ...logStorages.map((object) => ({
      ...named(object),
      says: 'stores logs in this cluster',
      dialect: 'Calico Enterprise' as const,
    })),
  ];
  const misnamed = [...managements, ...connections].filter(({ metadata }) => metadata.name !== CONNECTION_NAME);
  return verdict(evidence, { misnamed, logStorages });
}

/** None where the cluster does not know the kind. */
async function list(client: KubeClient, kind: string, signal: AbortSignal): Promise<readonly Addressed[]> {
  try {
    const path = collectionPath({ apiVersion: OPERATOR_API, kind, metadata: { name: '' } });
    const { items } = await client.get<KubeList<Addressed>>(path, { signal });
    return items.map((item) => ({ ...item, apiVersion: OPERATOR_API, kind }));
  } catch (error) {
    if (isStatus(error, 404)) return [];
    throw error;
  }
}

/** The first dialect said it in a field of the Installation. */
function ofInstallation(installation: Installation | undefined): readonly Evidence[] {
  const type = installation?.spec?.clusterManagementType;
  if (installation === undefined || type === undefined) return [];
  const dialect = 'Calico Enterprise 3.0 and 3.1';
  const said = { ...named(installation), says: `clusterManagementType is ${type}`, dialect } as const;
  return [type === 'Management' || type === 'Managed' ? { ...said, means: type } : said];
}

async function ofOurs(client: KubeClient, signal: AbortSignal): Promise<readonly Evidence[]> {
  const find = async <T extends KubeObject>(apiVersion: string, kind: string, name: string) =>
    await client.find<T>({ apiVersion, kind, metadata: { name, namespace: NAMESPACE } }, { signal });
  const config = await find<ConfigMap>('v1', 'ConfigMap', MANAGEMENT_CONFIG);
  const agent = await find('apps/v1', 'Deployment', AGENT);
  const forwarder = await find('apps/v1', 'DaemonSet', FORWARDER);
  const dialect = 'kubectl-mcm';
  const evidence: Evidence[] = [];
  if (config !== undefined) {
    const says = `managed clusters dial ${config.data?.[MANAGEMENT_KEYS.address] ?? 'no address'}`;
    evidence.push({ ...named(config), says, dialect, means: 'Management' });
  }
  if (agent !== undefined) {
    evidence.push({ ...named(agent), says: `opens the tunnel of ${clusterOf(agent)}`, dialect, means: 'Managed' });
  }
  if (forwarder !== undefined) {
    const cluster = clusterOf(forwarder);
    // A management cluster's own logs are stored under a name that no managed cluster has.
    const means = cluster === `"${MANAGEMENT_CLUSTER}"` ? {} : ({ means: 'Managed' } as const);
    evidence.push({ ...named(forwarder), says: `ships the log files of ${cluster}`, dialect, ...means });
  }
  return evidence;
}

function clusterOf({ metadata }: KubeObject): string {
  const cluster = metadata.labels?.[CLUSTER_LABEL];
  return cluster === undefined ? 'a cluster whose name it does not say' : `"${cluster}"`;
}

function named(object: KubeObject): Pick<Evidence, 'object' | 'namespace'> {
  const { namespace } = object.metadata;
  return { object: objectName(object), ...(namespace === undefined ? {} : { namespace }) };
}

function verdict(
  evidence: readonly Evidence[],
  { misnamed, logStorages }: { readonly misnamed: readonly KubeObject[]; readonly logStorages: readonly KubeObject[] },
): ClusterTypeReport {
  const those = (means: Evidence['means']) => evidence.filter((one) => one.means === means).map(({ object }) => object);
  const management = those('Management');
  const managed = those('Managed');
  const problems = misnamed.map(
    (object) => `${objectName(object)} is not read: tigera-operator only looks at the name ${CONNECTION_NAME}`,
  );
  if (management.length > 0 && managed.length > 0) {
    problems.push(
      `it is a management cluster by ${management.join(', ')} and a managed cluster by ${managed.join(', ')}: a cluster can be one of them`,
    );
  }
  if (managed.length > 0 && logStorages.length > 0) {
    problems.push('a managed cluster cannot have a LogStorage: its logs are stored in the management cluster');
  }
  if (problems.length > 0) return { type: 'Invalid', evidence, problems };
  if (management.length > 0) return { type: 'Management', evidence, problems };
  return { type: managed.length > 0 ? 'Managed' : 'Standalone', evidence, problems };
}
