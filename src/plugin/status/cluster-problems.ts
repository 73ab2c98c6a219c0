import { CertificateRegistry } from '../../clusters/certificate-registry.ts';
import { CONNECTED_CONDITION, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import { humanDuration } from '../duration.ts';
import { expiryProblem } from './expiry.ts';
import type { Problem } from './problem.ts';

/**
 * By its tunnel; a cluster that never had one is receiving if its logs come all the same, else pending. Unknown where the
 * manager that had the tunnel is not heard of.
 */
export type ClusterState = 'connected' | 'disconnected' | 'unknown' | 'receiving' | 'pending';

/** How many clusters there are, and in which state; those in which none is are missing. */
export interface ClusterCounts {
  readonly total: number;
  readonly states: Readonly<Partial<Record<ClusterState, number>>>;
}

const STATES: readonly ClusterState[] = ['connected', 'disconnected', 'unknown', 'receiving', 'pending'];

export function countClusters(clusters: readonly ManagedCluster[]): ClusterCounts {
  const inState = Map.groupBy(clusters, stateOf);
  const counts = STATES.map((state) => [state, inState.get(state)?.length ?? 0] as const);
  return { total: clusters.length, states: Object.fromEntries(counts.filter(([, count]) => count > 0)) };
}

function stateOf(cluster: ManagedCluster): ClusterState {
  const tunnel = tunnelOf(cluster);
  if (tunnel?.status === 'True') return 'connected';
  if (tunnel?.status === 'False') return 'disconnected';
  if (tunnel?.reason === 'ManagerGone') return 'unknown';
  return cluster.status?.lastSeen === undefined ? 'pending' : 'receiving';
}

/** What is not as it should be of the clusters. */
export function clusterProblems(clusters: readonly ManagedCluster[], now: number): Problem[] {
  const inState = Map.groupBy(clusters, stateOf);
  const { disconnected = [], unknown = [] } = Object.fromEntries(inState);
  const refused = clusters.filter((one) => phaseOf(one).startsWith('Certificate'));
  const problems: Problem[] = [
    {
      level: 'error',
      reason: 'Disconnected',
      message:
        disconnected.length === 1 ? 'a cluster is disconnected' : `${disconnected.length} clusters are disconnected`,
      places: disconnected.map((one) => disconnectedPlace(one, now)),
      todo: 'look at Guardian (or the agent) in the cluster, and at the way from there to the manager',
    },
    {
      level: 'error',
      reason: 'CertificateRefused',
      message: 'certificates of clusters cannot be used',
      places: refused.map((one) => `${one.metadata.name}: ${conditionOf(one, phaseOf(one))?.message ?? phaseOf(one)}`),
      todo: ADD_ANEW,
    },
    {
      level: 'warning',
      reason: 'ManagerGone',
      message: 'it is not known whether clusters are connected',
      places: unknown.map((one) => `${one.metadata.name}: ${tunnelOf(one)?.message}`),
      todo: 'start that manager again; its clusters find another one by themselves, if there is one',
    },
  ];
  return [...problems.filter(({ places }) => places.length > 0), ...expiryProblem(expiriesOf(clusters), ADD_ANEW, now)];
}

const ADD_ANEW = 'delete the ManagedCluster, and add the cluster anew: kubectl mcm add-cluster';

function expiriesOf(clusters: readonly ManagedCluster[]) {
  const registry = new CertificateRegistry();
  registry.replaceAll(clusters);
  return clusters.flatMap(({ metadata: { name } }) =>
    (['tunnel', 'forwarder'] as const).flatMap((use) => {
      const expires = registry.expiryOf(name, use);
      return expires === undefined ? [] : [{ of: `${name} (${use})`, expires }];
    }),
  );
}

function disconnectedPlace(cluster: ManagedCluster, now: number): string {
  const since = cluster.status?.connection?.since;
  const howLong = since === undefined ? '' : ` for ${humanDuration(now - Date.parse(since))}`;
  return `${cluster.metadata.name}${howLong}: ${tunnelOf(cluster)?.message}`;
}

function phaseOf({ status }: ManagedCluster): string {
  return status?.phase ?? 'Pending';
}

function tunnelOf(cluster: ManagedCluster) {
  return conditionOf(cluster, CONNECTED_CONDITION);
}

function conditionOf({ status }: ManagedCluster, type: string) {
  return status?.conditions?.find((condition) => condition.type === type);
}
