import type { LogType } from '../../types/log-type.ts';

/** Calico Enterprise's own prefix, so that its users' Kibana views and saved searches go on working. */
const CALICO_PREFIX = 'tigera_secure_ee_';

/** Names of the indices: one per type, cluster and UTC day, `tigera_secure_ee_flows.prod-eu.20261122`. */
export class IndexNames {
  day(type: LogType, cluster: string, day: string): string {
    return `${CALICO_PREFIX}${type.name}.${cluster}.${day}`;
  }

  /** All days of one cluster. Cluster names hold no dots, so this never reaches into another cluster's. */
  allDays(type: LogType, cluster: string): string {
    return this.day(type, cluster, '*');
  }

  /** All clusters: the pattern of an index template. */
  allClusters(type: LogType): string {
    return `${CALICO_PREFIX}${type.name}.*`;
  }

  deadLetters(cluster: string, day: string): string {
    return `kubectl_mcm_dead_letters.${cluster}.${day}`;
  }
}
