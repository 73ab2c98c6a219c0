import {
  isClusterName,
  MANAGED_CLUSTERS_PATH,
  MANAGEMENT_CLUSTER,
  type ManagedCluster,
} from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeList } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import type { FlagSpecs, FlagValues } from '../command.ts';
import { NO_MANAGEMENT_CLUSTER } from '../no-management.ts';

/** The flags that say whose logs. */
export const CLUSTER_FLAGS = {
  cluster: {
    type: 'strings',
    value: 'NAME',
    completes: 'clusters',
    description: `A managed cluster, several (a,b) or those of a pattern ('prod-*'); "${MANAGEMENT_CLUSTER}" is the management cluster. Can be repeated. Default: the only managed cluster, else the management cluster.`,
  },
  selector: {
    type: 'string',
    short: 'l',
    value: 'SELECTOR',
    description: "Managed clusters by their labels, as kubectl's own -l.",
  },
  'all-clusters': { type: 'boolean', description: 'All managed clusters and the management cluster.' },
} as const satisfies FlagSpecs;

/**
 * The names of the clusters that the flags mean, in alphabetical order. Asks the API server only where names alone do
 * not say it. @throws UserError where they mean none, or the caller may not list clusters
 */
export async function chosenClusters(
  client: KubeClient,
  flags: FlagValues<typeof CLUSTER_FLAGS>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { selector, 'all-clusters': all } = flags;
  const named = flags.cluster.flatMap((value) => value.split(',')).map((name) => name.trim());
  for (const name of named) checkName(name);
  if (all && (named.length > 0 || selector !== undefined)) {
    throw new UserError('error: --all-clusters is given together with --cluster or --selector; one of them is enough');
  }
  const exact = named.filter((name) => !isPattern(name));
  if (named.length > 0 && exact.length === named.length && selector === undefined) return sorted(exact);
  const listed = await listClusters(client, selector, signal);
  if (all) return sorted([...listed, MANAGEMENT_CLUSTER]);
  if (named.length === 0 && selector === undefined) {
    return listed.length === 1 ? listed : [MANAGEMENT_CLUSTER];
  }
  const patterns = named.filter(isPattern).map(regexOf);
  const chosen = listed.filter(
    (name) => named.length === 0 || exact.includes(name) || patterns.some((pattern) => pattern.test(name)),
  );
  // What is named must not go missing because it is not there.
  if (selector === undefined) chosen.push(...exact);
  if (chosen.length === 0) {
    const asked = [...named, ...(selector === undefined ? [] : [`-l ${selector}`])].join(' ');
    throw new UserError(`error: no managed cluster matches ${asked}`, { hint: 'kubectl mcm clusters lists them' });
  }
  return sorted(chosen);
}

/** Where nothing was found: that nobody has said whose logs, and so these were the management cluster's; else ''. */
export function unnamedHint(flags: FlagValues<typeof CLUSTER_FLAGS>, clusters: readonly string[]): string {
  const isNamed = flags.cluster.length > 0 || flags.selector !== undefined || flags['all-clusters'];
  return isNamed || clusters[0] !== MANAGEMENT_CLUSTER
    ? ''
    : 'These were the logs of the management cluster: --cluster NAME, -l SELECTOR or --all-clusters ask for others.\n';
}

async function listClusters(client: KubeClient, selector: string | undefined, signal: AbortSignal): Promise<string[]> {
  try {
    const query = { labelSelector: selector };
    const { items } = await client.get<KubeList<ManagedCluster>>(MANAGED_CLUSTERS_PATH, { query, signal });
    return items.map(({ metadata }) => metadata.name).sort();
  } catch (error) {
    if (isStatus(error, 403)) throw error.withHint('Name the cluster instead: --cluster NAME');
    if (!isStatus(error, 404)) throw error;
    throw error.withHint(NO_MANAGEMENT_CLUSTER);
  }
}

function checkName(name: string): void {
  const sample = name.replaceAll(/[*?]/g, 'x');
  if (name === MANAGEMENT_CLUSTER || isClusterName(sample)) return;
  throw new UserError(`error: invalid argument "${name}" for "--cluster" flag: not a managed cluster's name`);
}

function isPattern(name: string): boolean {
  return /[*?]/.test(name);
}

function regexOf(pattern: string): RegExp {
  return new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
