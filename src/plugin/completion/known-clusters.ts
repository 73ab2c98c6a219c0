import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MANAGED_CLUSTERS_PATH, MANAGEMENT_CLUSTER, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import { KubeClient } from '../../kube/client.ts';
import { loadKubeContext } from '../../kube/kubeconfig.ts';
import type { KubeList } from '../../kube/objects.ts';
import { untilAborted } from '../../until-aborted.ts';
import type { GlobalOptions, Io } from '../command.ts';
import type { Candidate } from './candidate.ts';

/** Milliseconds that somebody who has pressed a key may wait for the API server. */
export const PATIENCE = 1_000;

/** Milliseconds for which its answer is good enough. */
const GOOD_FOR = 30_000;

/**
 * The clusters whose names the caller may list, with their phases. What the API server has said is kept for 30 seconds in
 * `$XDG_CACHE_HOME/kubectl-mcm/clusters`, a file for each identity that only its owner can read.
 * @throws Error where it has not said so within a second
 */
export async function knownClusters(global: GlobalOptions, { env, now }: Omit<Io, 'signal'>): Promise<Candidate[]> {
  const context = loadKubeContext(global.kube, env);
  const cache = cacheFile([context.server, context.name, global.kube, env.KUBECONFIG ?? ''], env);
  const known = cache === undefined ? undefined : readFresh(cache, now());
  if (known !== undefined) return known;
  const signal = AbortSignal.timeout(PATIENCE);
  const client = new KubeClient(context, { timeout: PATIENCE });
  const listing = client.get<KubeList<ManagedCluster>>(MANAGED_CLUSTERS_PATH, { signal });
  // Also where it is a plugin for credentials that does not answer.
  const { items } = await untilAborted(listing, signal);
  const clusters = [
    ...items.map(({ metadata, status }) => ({ value: metadata.name, description: status?.phase ?? 'Pending' })),
    { value: MANAGEMENT_CLUSTER, description: 'the management cluster' },
  ];
  if (cache !== undefined) keep(cache, clusters);
  return clusters;
}

function cacheFile(identity: readonly unknown[], env: NodeJS.ProcessEnv): string | undefined {
  const home = env.XDG_CACHE_HOME ?? (env.HOME === undefined ? undefined : join(env.HOME, '.cache'));
  if (home === undefined) return undefined;
  const name = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32);
  return join(home, 'kubectl-mcm', 'clusters', `${name}.json`);
}

function readFresh(file: string, now: number): Candidate[] | undefined {
  try {
    const age = now - statSync(file).mtimeMs;
    return age >= 0 && age < GOOD_FOR ? (JSON.parse(readFileSync(file, 'utf8')) as Candidate[]) : undefined;
  } catch {
    // Not there yet, or not ours to read: the server is asked.
    return undefined;
  }
}

function keep(file: string, clusters: readonly Candidate[]): void {
  const draft = `${file}.${randomUUID()}`;
  try {
    mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
    writeFileSync(draft, JSON.stringify(clusters), { mode: 0o600, flag: 'wx' });
    renameSync(draft, file);
  } catch {
    // Then the next key asks the server again.
    rmSync(draft, { force: true });
  }
}
