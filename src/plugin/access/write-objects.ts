import { applyAll } from '../../install/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import type { RoleBinding } from '../../rbac/rbac-objects.ts';
import type { Io } from '../command.ts';
import { DRY_RUN_SUFFIX } from '../dry-run.ts';

/** Objects of one cluster. */
export interface ClusterObjects {
  readonly client: KubeClient;
  readonly objects: readonly KubeObject[];
  /** Behind the lines that tell of them; '' for the cluster that is meant without a word. */
  readonly where: string;
}

/**
 * Applies objects and tells of each; before the first is written, every server is asked about all of its own.
 * @throws StatusError, which for RBAC's own refusal says what it takes.
 */
export async function writeObjects(
  clusters: readonly ClusterObjects[],
  dryRun: string,
  { out, signal }: Pick<Io, 'out' | 'signal'>,
): Promise<void> {
  const tell = (object: KubeObject, outcome: string, where: string) =>
    out.write(`${objectName(object)} ${outcome}${where}${DRY_RUN_SUFFIX[dryRun]}\n`);
  if (dryRun === 'client') {
    for (const { objects, where } of clusters) for (const object of objects) tell(object, 'applied', where);
    return;
  }
  const silently = () => undefined;
  for (const cluster of clusters) {
    await writeCluster(cluster, { dryRun: true, tell: dryRun === 'server' ? tell : silently, signal });
  }
  if (dryRun === 'server') return;
  for (const cluster of clusters) await writeCluster(cluster, { dryRun: false, tell, signal });
}

interface WriteOptions {
  readonly dryRun: boolean;
  readonly tell: (object: KubeObject, outcome: string, where: string) => void;
  readonly signal: AbortSignal;
}

async function writeCluster({ client, objects, where }: ClusterObjects, options: WriteOptions): Promise<void> {
  const { dryRun, tell, signal } = options;
  const newRoles = new Set<string>();
  for (const object of objects) {
    // The server cannot be asked about a binding to a role that is not there yet.
    if (dryRun && 'roleRef' in object && newRoles.has((object as RoleBinding).roleRef.name)) {
      tell(object, 'created', where);
      continue;
    }
    const onApplied = (_: KubeObject, outcome: string) => {
      if (outcome === 'created') newRoles.add(object.metadata.name);
      tell(object, outcome, where);
    };
    await applyAll(client, [object], { dryRun, signal, onApplied }).catch(explained);
  }
}

function explained(error: unknown): never {
  if (!isStatus(error, 403)) throw error;
  throw error.withHint(
    'Kubernetes lets nobody grant what they may not do themselves, unless they have the verbs "escalate" and "bind" on clusterroles.',
  );
}
