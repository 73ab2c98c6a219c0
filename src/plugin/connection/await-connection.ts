import { CONNECTION } from '../../clusters/connection-manifest.ts';
import { CONNECTED_CONDITION, type ManagedCluster, managedCluster } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type OperatorObject, operatorWords } from './operator-words.ts';
import { untilDone } from './until-done.ts';

export interface AwaitOptions {
  readonly management: KubeClient;
  readonly managed: KubeClient;
  readonly cluster: string;
  /** Our agent is to open the tunnel, and not Guardian. */
  readonly byAgent?: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  /** Told what is waited for, each time that changes. */
  readonly onWaiting: (words: string) => void;
  readonly signal: AbortSignal;
}

/** Resolves once the cluster is connected. @throws UserError when its time is over, with what was waited for last. */
export async function awaitConnection(options: AwaitOptions): Promise<void> {
  const { cluster, timeout, onWaiting, signal } = options;
  const look = () => waitingFor(options);
  const deadline = performance.now() + timeout;
  await untilDone({ name: `managedclusters/${cluster}`, deadline, look, onWaiting, signal });
}

/** In words; undefined once it is connected. */
async function waitingFor({
  management,
  managed,
  cluster,
  byAgent,
  signal,
}: AwaitOptions): Promise<string | undefined> {
  const object = await management.find<ManagedCluster>(managedCluster(cluster, {}), { signal });
  if (object === undefined) throw new UserError(`error: ManagedCluster "${cluster}" was deleted`);
  const connected = object.status?.conditions?.find(({ type }) => type === CONNECTED_CONDITION);
  if (connected?.status === 'True') return undefined;
  if (connected === undefined) return 'the manager to take note of the cluster: is it running?';
  const operator = byAgent ? undefined : await waitingForOperator(managed, signal);
  if (operator !== undefined) return operator;
  const who = byAgent ? 'the agent' : 'Guardian';
  const { lastError } = object.status?.connection ?? {};
  return lastError === undefined
    ? `${who}'s first connection`
    : `${who}'s connection; the last was refused: ${lastError}`;
}

/** Where it says nothing, Guardian may run all the same. */
async function waitingForOperator(managed: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  const connection = await managed.find<OperatorObject>(CONNECTION, { signal });
  if (connection === undefined || (connection.status?.conditions ?? []).length === 0) return undefined;
  return operatorWords(connection, 'Ready');
}
