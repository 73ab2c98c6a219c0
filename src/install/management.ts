import { NAMESPACE } from '../clusters/managed-cluster.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The manager's StatefulSet and its ServiceAccount, Role and policies. */
export const MANAGER = 'manager';

/** ConfigMap with what is public about the management plane: `add-cluster` makes manifests from it. */
export const MANAGEMENT_CONFIG = 'management';
export const MANAGEMENT_KEYS = {
  address: 'address',
  ca: 'ca.crt',
  /** The other flags of `install management`, as JSON: `upgrade` goes by them. */
  flags: 'flags',
} as const;

/** Annotation of the CustomResourceDefinition: its number among FORMATS. */
export const FORMAT_ANNOTATION = 'kubectl-mcm.io/format';

/** ConfigMap that says where logs are stored and how long they are kept, see StoreConfig. */
export const LOGS_CONFIG = 'logs';
export const LOGS_KEYS = {
  /** What people write: how long logs are kept, and the layout that is to come. */
  retention: 'retention',
  layout: 'layout',
  /** What the manager writes: which layout is for which days, and what it says of the above. */
  history: 'history',
  status: 'status',
} as const;

/** API group of the manager in which it says what is stored (`days`) and how it is itself (`managers`). */
export const MANAGER_API_GROUP = 'logs.kubectl-mcm.io';
export const MANAGER_API = `${MANAGER_API_GROUP}/v1`;
export const LOG_DAYS_PATH = `/apis/${MANAGER_API}/days`;
export const MANAGERS_PATH = `/apis/${MANAGER_API}/managers`;

/** API group of the manager in which it answers for many clusters at once, and decides itself what of them. */
export const FLEET_API_GROUP = 'query.kubectl-mcm.io';
export const FLEET_API = `${FLEET_API_GROUP}/v1`;

/** API group of the manager in which it passes on to managed clusters, by their tunnels, what is asked of them. */
export const PROXY_API_GROUP = 'proxy.kubectl-mcm.io';
export const PROXY_API = `${PROXY_API_GROUP}/v1`;

/** Lease of the one manager that deletes old days. */
export const KEEPER_LEASE = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'log-keeper', namespace: NAMESPACE },
} as const;

/** Secret of the CA that signs the manager's certificates; managed clusters trust it, and nothing else does. */
export const CA_SECRET = 'ca';
/** Secret of the manager's own certificate and key. */
export const MANAGER_TLS_SECRET = 'manager-tls';

/** Service of the manager's API port, for kube-apiserver; its DNS name is in the manager's certificate. */
export const API_SERVICE = 'manager';
/** Service of the port that managed clusters dial. */
export const CLUSTERS_SERVICE = 'manager-mcm';

/**
 * The one DNS name in the CA's certificate. Guardian and our forwarder ask for it whatever address they dial, so that
 * the address can change without new certificates.
 */
export const CA_DNS_NAME = 'voltron';

/** DNS names in the manager's certificate: for Guardian and forwarders, for kube-apiserver, and for Goldmane. */
export const MANAGER_DNS_NAMES = [
  CA_DNS_NAME,
  `${API_SERVICE}.${NAMESPACE}.svc`,
  'tigera-linseed.tigera-elasticsearch.svc',
] as const;

/** The manager's ports in its pod and in its Services: for managed clusters, kube-apiserver, and probes and metrics. */
export const PORTS = { clusters: 9449, api: 8443, health: 9090 } as const;
/** At which managed clusters reach it on each node, unless it is said otherwise. */
export const CLUSTERS_NODE_PORT = 30449;
