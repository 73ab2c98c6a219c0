import type { CertificateRegistry } from '../clusters/certificate-registry.ts';
import {
  type ClusterPhase,
  MANAGED_CLUSTER_API,
  type ManagedCluster,
  type ManagedClusterStatus,
} from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Condition } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';

/** The manager's own field manager, so that `install` and people never fight with it over the status. */
const STATUS_MANAGER = 'kubectl-mcm-manager';

/** Milliseconds between two writes of one object's status when nothing but "last seen" changed. */
const LAST_SEEN_INTERVAL = 60_000;

interface Tracked {
  object: ManagedCluster;
  /** Milliseconds since 1970; 0 for never. */
  lastSeen: number;
  writtenLastSeen: number;
  writing: boolean;
}

/**
 * Keeps the status of each ManagedCluster true: written when it changes, and for "last seen" alone at most once a
 * minute, since thousands of clusters send all the time.
 */
export class ClusterStatusWriter {
  readonly #client: KubeClient;
  readonly #registry: CertificateRegistry;
  readonly #onError: (cluster: string, error: unknown) => void;
  readonly #tracked = new Map<string, Tracked>();

  constructor(client: KubeClient, registry: CertificateRegistry, onError: (cluster: string, error: unknown) => void) {
    this.#client = client;
    this.#registry = registry;
    this.#onError = onError;
  }

  /** An object as the API server has it now. */
  observe(object: ManagedCluster): void {
    const written = object.status?.lastSeen === undefined ? 0 : Date.parse(object.status.lastSeen);
    const known = this.#tracked.get(object.metadata.name);
    if (known === undefined || known.object.metadata.uid !== object.metadata.uid) {
      const tracked = { object, lastSeen: written, writtenLastSeen: written, writing: false };
      this.#tracked.set(object.metadata.name, tracked);
    } else {
      known.object = object;
    }
  }

  forget(cluster: string): void {
    this.#tracked.delete(cluster);
  }

  /** Only these objects exist. */
  retain(clusters: ReadonlySet<string>): void {
    for (const cluster of this.#tracked.keys()) if (!clusters.has(cluster)) this.#tracked.delete(cluster);
  }

  /** Records of the cluster were taken. */
  received(cluster: string, now: number): void {
    const tracked = this.#tracked.get(cluster);
    if (tracked !== undefined) tracked.lastSeen = now;
  }

  /** Writes what is due; call it about once a second. */
  async flush(signal: AbortSignal): Promise<void> {
    const now = Date.now();
    const writes = [...this.#tracked.values()].flatMap((tracked) => {
      const { object } = tracked;
      const status = this.#desired(tracked, now);
      const aged = tracked.lastSeen - tracked.writtenLastSeen >= LAST_SEEN_INTERVAL;
      if (tracked.writing || (!aged && sameState(object.status, status))) return [];
      return [this.#write(tracked, status, signal)];
    });
    await Promise.all(writes);
  }

  async #write(tracked: Tracked, status: ManagedClusterStatus, signal: AbortSignal): Promise<void> {
    const { name, uid } = tracked.object.metadata;
    const { lastSeen } = tracked;
    tracked.writing = true;
    try {
      tracked.object = await this.#client.applyStatus<ManagedCluster>(
        {
          apiVersion: MANAGED_CLUSTER_API,
          kind: 'ManagedCluster',
          // The uid: never to be written to a namesake created since.
          metadata: { name, ...(uid === undefined ? {} : { uid }) },
          status,
        } as ManagedCluster,
        { fieldManager: STATUS_MANAGER, force: true, signal },
      );
      tracked.writtenLastSeen = lastSeen;
    } catch (error) {
      // Deleted, or deleted and created anew: the watch will say so.
      if (!signal.aborted && !isStatus(error, 404) && !isStatus(error, 409)) this.#onError(name, error);
    } finally {
      tracked.writing = false;
    }
  }

  #desired({ object, lastSeen }: Tracked, now: number): ManagedClusterStatus {
    const problem = this.#registry.problemOf(object.metadata.name);
    const phase: ClusterPhase = problem?.type ?? (lastSeen > 0 ? 'Receiving' : 'Pending');
    const conditions: Omit<Condition, 'lastTransitionTime'>[] = [
      {
        type: 'ManagedClusterConnected',
        status: 'Unknown',
        reason: 'NoTunnel',
        message: 'No tunnel of this cluster has connected.',
      },
    ];
    if (problem !== undefined) {
      conditions.push({ type: problem.type, status: 'True', reason: 'Refused', message: problem.message });
    }
    return {
      phase,
      ...(lastSeen > 0 ? { lastSeen: new Date(lastSeen).toISOString() } : {}),
      conditions: conditions.map((condition) => withTransition(condition, object.status?.conditions ?? [], now)),
    };
  }
}

function withTransition(
  condition: Omit<Condition, 'lastTransitionTime'>,
  before: readonly Condition[],
  now: number,
): Condition {
  const old = before.find(({ type }) => type === condition.type);
  const since = old?.status === condition.status ? old.lastTransitionTime : new Date(now).toISOString();
  return { ...condition, lastTransitionTime: since.replace(/\.\d+Z$/, 'Z') };
}

/** Equal but for "last seen", which changes all the time. */
function sameState(a: ManagedClusterStatus | undefined, b: ManagedClusterStatus): boolean {
  return stateText(a) === stateText(b);
}

function stateText(status: ManagedClusterStatus | undefined): string {
  const conditions = (status?.conditions ?? []).map(({ type, status: value, reason, message }) => [
    type,
    value,
    reason,
    message,
  ]);
  return JSON.stringify([status?.phase, conditions]);
}
