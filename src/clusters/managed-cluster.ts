import type { Condition, KubeObject } from '../kube/objects.ts';

/** API group of our own ManagedCluster: `projectcalico.org` would be shadowed by Calico's own API server. */
export const MANAGED_CLUSTER_GROUP = 'kubectl-mcm.io';
export const MANAGED_CLUSTER_VERSION = 'v1';
export const MANAGED_CLUSTER_API = `${MANAGED_CLUSTER_GROUP}/${MANAGED_CLUSTER_VERSION}`;
export const MANAGED_CLUSTERS_PATH = `/apis/${MANAGED_CLUSTER_API}/managedclusters`;

/** Where everything of ours lives, on both sides. */
export const NAMESPACE = 'kubectl-mcm';

/** Where tigera-operator usually is in a managed cluster. */
export const OPERATOR_NAMESPACE = 'tigera-operator';

/** Calico's name for the management cluster itself, under which its own logs are stored. */
export const MANAGEMENT_CLUSTER = 'cluster';

/**
 * Names no cluster may have. `cluster` is Calico's name for the management cluster itself and `shared` an index
 * layout; the others are words that kube-apiserver reads in a path before it looks for a resource.
 */
export const RESERVED_NAMES = [MANAGEMENT_CLUSTER, 'shared', 'watch', 'proxy', 'namespaces'] as const;

/** A DNS label: no dots, because the index pattern of `prod` would match `prod.eu`. */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Whether a ManagedCluster may have this name; the CRD says the same to API clients. */
export function isClusterName(name: string): boolean {
  return NAME.test(name) && !(RESERVED_NAMES as readonly string[]).includes(name);
}

/** One managed cluster: its public certificates in, its state out. */
export interface ManagedCluster extends KubeObject {
  readonly spec: {
    /** Namespace of tigera-operator in the managed cluster; the connection manifest is made for it. */
    readonly operatorNamespace?: string;
    /** PEM of one or more certificates that may speak for the cluster, as base64. */
    readonly certificate?: string;
    /** Certificates that have been replaced, and no longer count from some time on. */
    readonly retiring?: readonly RetiringCertificate[];
  };
  readonly status?: ManagedClusterStatus;
}

export interface RetiringCertificate {
  /** SHA-256 of its DER, lower-case hex. */
  readonly fingerprint: string;
  /** RFC 3339; from then on it is refused. */
  readonly notAfter: string;
}

export interface ManagedClusterStatus {
  /** One word for people; `conditions` say why. */
  readonly phase?: ClusterPhase;
  /** RFC 3339; when anything last came from this cluster, a minute behind at most, two where there are thousands of clusters. */
  readonly lastSeen?: string;
  readonly connection?: ConnectionStatus | undefined;
  /** What came from the cluster and waits on the manager's disk, as of when this was written. */
  readonly spooled?: SpooledStatus | undefined;
  /** Calico's version in the managed cluster, where it lets us read it. */
  readonly calicoVersion?: string | undefined;
  readonly namespaces?: number | undefined;
  /** RFC 3339; when the last of the certificates that may open a tunnel runs out. */
  readonly certificateExpires?: string;
  readonly conditions?: readonly Condition[];
}

/** Type of the condition that says whether the cluster's tunnel is open; Calico's own name for it. */
export const CONNECTED_CONDITION = 'ManagedClusterConnected';

/** The cluster's tunnel; the condition ManagedClusterConnected says whether it is open. */
export interface ConnectionStatus {
  /** RFC 3339; when the tunnel opened or, if it is closed, when that happened. */
  readonly since?: string;
  /** Where the cluster connected from. */
  readonly address?: string;
  /** The manager it connected to. */
  readonly manager?: string;
  readonly roundTripMilliseconds?: number;
  readonly reconnects?: number;
  /** Why it was last disconnected or refused, in words. */
  readonly lastError?: string;
}

/** Records of a cluster that the log store has not taken yet. */
export interface SpooledStatus {
  /** RFC 3339; when the oldest of them came. */
  readonly since: string;
  readonly records: number;
  readonly bytes: number;
  /** Why the store does not take them, where it has said so. */
  readonly reason?: string;
}

export type ClusterPhase =
  | 'Pending'
  | 'Receiving'
  | 'Connected'
  | 'Disconnected'
  | 'CertificateConflict'
  | 'CertificateUnreadable';

/** A ManagedCluster as `add-cluster` creates it. */
export function managedCluster(
  name: string,
  spec: ManagedCluster['spec'],
  labels: Readonly<Record<string, string>> = {},
): ManagedCluster {
  const metadata = Object.keys(labels).length === 0 ? { name } : { name, labels };
  return { apiVersion: MANAGED_CLUSTER_API, kind: 'ManagedCluster', metadata, spec };
}
