import type { ManagedCluster } from '../../clusters/managed-cluster.ts';
import { OPERATOR_API } from '../../install/cluster-type.ts';
import type { KubeClient } from '../../kube/client.ts';
import { objectName } from '../../kube/objects.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import { Turns } from '../../turns.ts';
import { awaitConnection } from '../connection/await-connection.ts';
import { type OperatorObject, operatorWords } from '../connection/operator-words.ts';
import { untilDone } from '../connection/until-done.ts';
import { LogReads } from '../logs/log-reads.ts';

export interface AwaitManagedOptions {
  readonly management: KubeClient;
  readonly managed: KubeClient;
  /** As it is registered: its records are those since then. */
  readonly registered: ManagedCluster;
  readonly byAgent: boolean;
  /** Of which records must come. */
  readonly types: readonly LogType[];
  /** Milliseconds for all of it. */
  readonly timeout: number;
  readonly onWaiting: (words: string) => void;
  /** Told of each thing once it is there. */
  readonly onDone: (words: string) => void;
  /** Told what cannot be waited for, and why. */
  readonly onUnseen: (words: string) => void;
  readonly signal: AbortSignal;
}

/** Resolves once Guardian runs, the tunnel is open and records have come. @throws UserError when its time is over. */
export async function awaitManaged(options: AwaitManagedOptions): Promise<void> {
  const { management, managed, registered, byAgent, onWaiting, onDone, signal } = options;
  const deadline = performance.now() + options.timeout;
  if (!byAgent) {
    const look = () => waitingForOperator(managed, signal);
    const name = `tigerastatus/${OPERATOR_STATUS.metadata.name}`;
    await untilDone({ name, deadline, look, onWaiting, signal });
    onDone(`${objectName(OPERATOR_STATUS)} available (${managed.context.name})`);
  }
  const cluster = registered.metadata.name;
  const timeout = Math.max(0, deadline - performance.now());
  await awaitConnection({ management, managed, cluster, byAgent, timeout, onWaiting, signal });
  onDone(`${objectName(registered)} connected`);
  for (const type of options.types) await awaitRecords(type, deadline, options);
}

const OPERATOR_STATUS = {
  apiVersion: OPERATOR_API,
  kind: 'TigeraStatus',
  metadata: { name: 'management-cluster-connection' },
} as const;

/** In words; undefined once tigera-operator says that all of it runs. */
async function waitingForOperator(managed: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  const found = await managed.find<OperatorObject>(OPERATOR_STATUS, { signal });
  if (found === undefined) return 'tigera-operator to take note of the connection: is it running?';
  return operatorWords(found, 'Available');
}

async function awaitRecords(type: LogType, deadline: number, options: AwaitManagedOptions): Promise<void> {
  const { management: client, registered, onWaiting, onDone, onUnseen, signal } = options;
  const cluster = registered.metadata.name;
  const reads = new LogReads({ client, turns: new Turns({ atOnce: 1, waiting: 1 }), signal });
  const { creationTimestamp } = registered.metadata;
  const arrivedSince = creationTimestamp === undefined ? undefined : Date.parse(creationTimestamp);
  const parameters = {
    since: undefined,
    until: undefined,
    arrivedSince,
    filter: undefined,
    order: 'desc',
    limit: 1,
  } as const;
  let refused: string | undefined;
  const look = async () => {
    for await (const { items, shortcomings } of reads.pages({ clusters: [cluster], type, parameters })) {
      [refused] = shortcomings.flatMap((one) =>
        one.kind === 'Refused' && one.reason === 'Forbidden' ? [one.message] : [],
      );
      if (items.length > 0 || refused !== undefined) return undefined;
      break;
    }
    return `the first ${type.label} records of ${cluster}`;
  };
  await untilDone({ name: `${type.label} logs of ${cluster}`, deadline, look, onWaiting, signal });
  if (refused === undefined) onDone(`${type.label} logs of ${cluster} arrive`);
  else onUnseen(`whether ${type.label} logs of ${cluster} arrive is not seen: ${refused}`);
}
