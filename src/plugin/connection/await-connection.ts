import { setTimeout as sleep } from 'node:timers/promises';
import { CONNECTION_NAME } from '../../clusters/connection-manifest.ts';
import { CONNECTED_CONDITION, type ManagedCluster, managedCluster } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Condition, KubeObject } from '../../kube/objects.ts';

/** Milliseconds between two looks. */
const INTERVAL = 1_000;

export interface AwaitOptions {
  readonly management: KubeClient;
  readonly managed: KubeClient;
  readonly cluster: string;
  /** Milliseconds. */
  readonly timeout: number;
  /** Told what is waited for, each time that changes. */
  readonly onWaiting: (words: string) => void;
  readonly signal: AbortSignal;
}

/** ManagementClusterConnection, as far as tigera-operator says there how it gets on. */
interface OperatorStatus extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Resolves once the cluster is connected. @throws UserError when its time is over, with what was waited for last. */
export async function awaitConnection(options: AwaitOptions): Promise<void> {
  const deadline = performance.now() + options.timeout;
  let words = '';
  let said = '';
  while (!options.signal.aborted) {
    const now = await waitingFor(options);
    if (now === undefined) return;
    // What is over by the next look is no news.
    if (now === words && now !== said) {
      options.onWaiting(now);
      said = now;
    }
    words = now;
    if (performance.now() > deadline) {
      throw new UserError(`error: timed out waiting for the condition on managedclusters/${options.cluster}`, {
        hint: `waited for: ${words}`,
      });
    }
    await sleep(INTERVAL, undefined, { signal: options.signal }).catch(() => undefined);
  }
  options.signal.throwIfAborted();
}

/** In words; undefined once it is connected. */
async function waitingFor({ management, managed, cluster, signal }: AwaitOptions): Promise<string | undefined> {
  const object = await management.find<ManagedCluster>(managedCluster(cluster, {}), { signal });
  if (object === undefined) throw new UserError(`error: ManagedCluster "${cluster}" was deleted`);
  const connected = object.status?.conditions?.find(({ type }) => type === CONNECTED_CONDITION);
  if (connected?.status === 'True') return undefined;
  if (connected === undefined) return 'the manager to take note of the cluster: is it running?';
  const operator = await operatorWords(managed, signal);
  if (operator !== undefined) return operator;
  const { lastError } = object.status?.connection ?? {};
  return lastError === undefined
    ? "Guardian's first connection"
    : `Guardian's connection; the last was refused: ${lastError}`;
}

async function operatorWords(managed: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  const connection = await managed.find<OperatorStatus>(
    {
      apiVersion: 'operator.tigera.io/v1',
      kind: 'ManagementClusterConnection',
      metadata: { name: CONNECTION_NAME },
    },
    { signal },
  );
  const conditions = connection?.status?.conditions ?? [];
  const is = (type: string) => conditions.find((condition) => condition.type === type && condition.status === 'True');
  const degraded = is('Degraded');
  if (degraded !== undefined) return `tigera-operator, which says: ${degraded.message || degraded.reason}`;
  return conditions.length > 0 && is('Ready') === undefined ? 'tigera-operator to start Guardian' : undefined;
}
