import type { LogType } from '../../types/log-type.ts';

/** Calico Enterprise's own prefix, so that its users' Kibana views and saved searches go on working. */
const CALICO_PREFIX = 'tigera_secure_ee_';

const OUR_PREFIX = 'kubectl_mcm_';

/** Names of the indices: one per type, cluster and UTC day, `tigera_secure_ee_flows.prod-eu.20261122`. */
export class IndexNames {
  day(type: LogType, cluster: string, day: string): string {
    return `${baseName(type)}.${cluster}.${day}`;
  }

  /** All days of one cluster. Cluster names hold no dots, so this never reaches into another cluster's. */
  allDays(type: LogType, cluster: string): string {
    return this.day(type, cluster, '*');
  }

  /** All clusters: the pattern of an index template. */
  allClusters(type: LogType): string {
    return `${baseName(type)}.*`;
  }

  deadLetters(cluster: string, day: string): string {
    return `${OUR_PREFIX}dead_letters.${cluster}.${day}`;
  }
}

function baseName({ name }: LogType): string {
  return `${name === 'gaps' ? OUR_PREFIX : CALICO_PREFIX}${name}`;
}
