/** metav1.ObjectMeta, as far as we read or write it. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly managedFields?: readonly unknown[];
}

/** Any Kubernetes object. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

export interface KubeList<T> {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly T[];
}

export interface Secret extends KubeObject {
  readonly type?: string;
  /** Values are base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** metav1.Condition. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

interface Resource {
  readonly plural: string;
  readonly namespaced: boolean;
}

/** The kinds this project writes; a kind that is not listed here is a bug of ours. */
const RESOURCES: Readonly<Record<string, Resource>> = {
  'v1/ConfigMap': { plural: 'configmaps', namespaced: true },
  'v1/Namespace': { plural: 'namespaces', namespaced: false },
  'v1/Secret': { plural: 'secrets', namespaced: true },
  'v1/Service': { plural: 'services', namespaced: true },
  'v1/ServiceAccount': { plural: 'serviceaccounts', namespaced: true },
  'apiextensions.k8s.io/v1/CustomResourceDefinition': { plural: 'customresourcedefinitions', namespaced: false },
  'apiregistration.k8s.io/v1/APIService': { plural: 'apiservices', namespaced: false },
  'kubectl-mcm.io/v1/ManagedCluster': { plural: 'managedclusters', namespaced: false },
  'operator.tigera.io/v1/ManagementClusterConnection': { plural: 'managementclusterconnections', namespaced: false },
  'rbac.authorization.k8s.io/v1/ClusterRole': { plural: 'clusterroles', namespaced: false },
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': { plural: 'clusterrolebindings', namespaced: false },
  'rbac.authorization.k8s.io/v1/Role': { plural: 'roles', namespaced: true },
  'rbac.authorization.k8s.io/v1/RoleBinding': { plural: 'rolebindings', namespaced: true },
};

function resourceOf({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>): Resource {
  const resource = RESOURCES[`${apiVersion}/${kind}`];
  if (resource === undefined) throw new Error(`no resource is known for ${apiVersion} ${kind}`);
  return resource;
}

/** Path of a group and version: `/api/v1`, `/apis/apps/v1`. */
export function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

/** Path of the collection an object belongs to; POST there creates it. */
export function collectionPath(object: KubeObject): string {
  const { plural, namespaced } = resourceOf(object);
  const base = groupPath(object.apiVersion);
  if (!namespaced) return `${base}/${plural}`;
  if (object.metadata.namespace === undefined) throw new Error(`${object.kind} ${object.metadata.name}: no namespace`);
  return `${base}/namespaces/${object.metadata.namespace}/${plural}`;
}

/** Path of the object itself. */
export function objectPath(object: KubeObject): string {
  return `${collectionPath(object)}/${encodeURIComponent(object.metadata.name)}`;
}

/** The object as kubectl names it: `secret/ca`, `managedcluster.kubectl-mcm.io/prod-eu`. */
export function objectName({ apiVersion, kind, metadata }: KubeObject): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.slice(0, apiVersion.indexOf('/'))}` : '';
  return `${kind.toLowerCase()}${group}/${metadata.name}`;
}
