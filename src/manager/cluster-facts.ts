import type { ClusterClient } from '../tunnel/cluster-client.ts';

/** What a managed cluster says of itself; what it does not let us read is left out. */
export interface ClusterFacts {
  /** Calico's version, `v3.32.1`. */
  readonly calicoVersion?: string;
  /** How many namespaces there are. */
  readonly namespaces?: number;
}

/** ClusterInformation of Calico's API; Guardian does not pass `/version`. */
const CLUSTER_INFORMATION = '/apis/projectcalico.org/v3/clusterinformations/default';

/** One, and how many there are beyond. */
const NAMESPACES = '/api/v1/namespaces?limit=1';

/** Asks a connected cluster, through its tunnel. @throws Error when it does not answer at all. */
export async function readClusterFacts(client: ClusterClient, signal: AbortSignal): Promise<ClusterFacts> {
  const calicoVersion = versionIn(await readJson(client, CLUSTER_INFORMATION, signal));
  const namespaces = countIn(await readJson(client, NAMESPACES, signal));
  return {
    ...(calicoVersion === undefined ? {} : { calicoVersion }),
    ...(namespaces === undefined ? {} : { namespaces }),
  };
}

/** undefined for what is refused or not there, or is no JSON: the cluster may say whatever it likes. */
async function readJson(client: ClusterClient, path: string, signal: AbortSignal): Promise<unknown> {
  const { code, body } = await client.get(path, signal);
  if (code !== 200) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function versionIn(answer: unknown): string | undefined {
  const { calicoVersion } = (answer as { spec?: { calicoVersion?: unknown } } | undefined)?.spec ?? {};
  return typeof calicoVersion === 'string' && /^[\w.+-]{1,64}$/.test(calicoVersion) ? calicoVersion : undefined;
}

function countIn(answer: unknown): number | undefined {
  const list = answer as { items?: unknown; metadata?: { remainingItemCount?: unknown } } | undefined;
  if (!Array.isArray(list?.items)) return undefined;
  const remaining = list.metadata?.remainingItemCount ?? 0;
  if (typeof remaining !== 'number' || !Number.isSafeInteger(remaining) || remaining < 0) return undefined;
  return list.items.length + remaining;
}
