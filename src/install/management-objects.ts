import type { KeyPair } from '../clusters/key-pair.ts';
import { NAMESPACE } from '../clusters/managed-cluster.ts';
import { MANAGED_CLUSTER_CRD } from '../clusters/managed-cluster-crd.ts';
import { FORMATS } from '../formats.ts';
import type { KubeObject, Secret } from '../kube/objects.ts';
import { LOG_ACCESS_API } from '../rbac/log-access.ts';
import { FLOW_SCHEMA } from './flow-control.ts';
import {
  API_SERVICE,
  CA_SECRET,
  FLEET_API,
  FORMAT_ANNOTATION,
  type HostPort,
  KEEPER_LEASE,
  LOGS_CONFIG,
  MANAGEMENT_CONFIG,
  MANAGEMENT_KEYS,
  MANAGER,
  MANAGER_API,
  MANAGER_TLS_SECRET,
  PORTS,
  PROXY_API,
} from './management.ts';
import { DISRUPTION_BUDGET, type ManagerPod, managementNamespace, managerWorkload } from './manager-pod.ts';
import { CALICO_POLICY, calicoPolicy, NETWORK_POLICIES } from './manager-policies.ts';
import { FLEET_PERMISSIONS, managerRights, VIEWER_ROLE } from './manager-rights.ts';
import { type Exposure, externalServices, managerServices } from './manager-services.ts';
import { clusterWide, namespaced, object } from './object.ts';

/** A manager that runs in the management cluster. */
export interface ClusterManager {
  readonly pod: ManagerPod;
  readonly exposure: Exposure;
  /** Whether Calico's own NetworkPolicies are there. */
  readonly calico: boolean;
}

export interface ManagementOptions {
  /** `HOST:PORT` at which managed clusters reach the manager; undefined as long as its load balancer has none. */
  readonly address: string | undefined;
  /** The flags that say the rest, for the next run. */
  readonly flags: object;
  /** The manager, or where kube-apiserver reaches the API of one that runs outside this cluster. */
  readonly manager: ClusterManager | HostPort;
}

export interface ManagementKeys {
  readonly ca: KeyPair;
  readonly manager: KeyPair;
}

/**
 * Everything that makes a cluster a management cluster, in the order to apply it. Without `keys` the two Secrets are
 * there without their data, and the APIService without its trust: that form holds nothing secret and is always the
 * same.
 */
export function managementObjects(options: ManagementOptions, keys: ManagementKeys | undefined): KubeObject[] {
  const { address, manager } = options;
  const inCluster = 'pod' in manager ? manager : undefined;
  return [
    managementNamespace(inCluster?.pod),
    customResourceDefinition(),
    object('v1', 'ServiceAccount', namespaced(MANAGER)),
    ...managerRights(),
    VIEWER_ROLE,
    ...FLEET_PERMISSIONS,
    ...FLOW_SCHEMA,
    object('v1', 'ConfigMap', namespaced(MANAGEMENT_CONFIG), {
      data: {
        ...(address === undefined ? {} : { [MANAGEMENT_KEYS.address]: address }),
        [MANAGEMENT_KEYS.flags]: JSON.stringify(options.flags),
        ...(keys === undefined ? {} : { [MANAGEMENT_KEYS.ca]: keys.ca.certificate }),
      },
    }),
    object('v1', 'ConfigMap', namespaced(LOGS_CONFIG)),
    { ...KEEPER_LEASE, metadata: namespaced(KEEPER_LEASE.metadata.name) },
    keySecret(CA_SECRET, keys?.ca),
    keySecret(MANAGER_TLS_SECRET, keys?.manager),
    ...managerObjects(options),
    ...[LOG_ACCESS_API, MANAGER_API, FLEET_API, PROXY_API].map((api) => apiService(api, manager, keys)),
  ];
}

function customResourceDefinition(): KubeObject {
  const annotations = { [FORMAT_ANNOTATION]: String(FORMATS.managedClusters) };
  return { ...MANAGED_CLUSTER_CRD, metadata: { ...clusterWide(MANAGED_CLUSTER_CRD.metadata.name), annotations } };
}

function managerObjects({ address = '', manager }: ManagementOptions): KubeObject[] {
  if (!('pod' in manager)) return externalServices(manager, Number(address.slice(address.lastIndexOf(':') + 1)));
  const { pod, exposure, calico } = manager;
  return [
    ...managerServices(exposure),
    // They do not hold for the network of the node.
    ...(pod.hostNetwork ? [] : NETWORK_POLICIES),
    ...(calico && !pod.hostNetwork ? [calicoPolicy(pod.elasticsearch)] : []),
    ...managerWorkload(pod),
  ];
}

/** What only some managers need: it goes where it is needed no more. Claims of volumes stay. */
export const OPTIONAL_OBJECTS: readonly KubeObject[] = [
  DISRUPTION_BUDGET,
  ...NETWORK_POLICIES,
  CALICO_POLICY,
  object('apps/v1', 'StatefulSet', namespaced(MANAGER)),
];

/** Whatever `install management` may make, by name: for those who look for it, or ask for the rights to it. */
export function everyManagementObject(): KubeObject[] {
  const outside = { address: undefined, flags: {}, manager: { host: '', port: 0 } };
  return [...managementObjects(outside, undefined), ...OPTIONAL_OBJECTS];
}

function apiService(api: string, manager: ManagementOptions['manager'], keys: ManagementKeys | undefined): KubeObject {
  const [group = '', version = ''] = api.split('/');
  const spec = {
    group,
    version,
    groupPriorityMinimum: 100,
    versionPriority: 100,
    service: { namespace: NAMESPACE, name: API_SERVICE, port: 'pod' in manager ? PORTS.api : manager.port },
    ...(keys === undefined ? {} : { caBundle: base64(keys.ca.certificate) }),
  };
  return object('apiregistration.k8s.io/v1', 'APIService', clusterWide(`${version}.${group}`), { spec });
}

/** The Secret of a key pair, Opaque: so it can be there before its data is. */
export function keySecret(name: string, keys: KeyPair | undefined): Secret {
  const secret = object('v1', 'Secret', namespaced(name), { type: 'Opaque' }) as Secret;
  if (keys === undefined) return secret;
  return { ...secret, data: { 'tls.crt': base64(keys.certificate), 'tls.key': base64(keys.key) } };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
