import type { CertificateProblem, CertificateRegistry } from '../clusters/certificate-registry.ts';
import {
  type ClusterPhase,
  MANAGED_CLUSTER_API,
  type ManagedCluster,
  type ManagedClusterStatus,
  type SpooledStatus,
} from '../clusters/managed-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Condition } from '../kube/objects.ts';
import { isStatus } from '../kube/status.ts';
import type { ConnectionStates } from './connection-states.ts';

/** The manager's own field manager, so that `install` and people never fight with it over the status. */
const STATUS_MANAGER = 'kubectl-mcm-manager';

/** Milliseconds between two writes of one object's status when nothing but "last seen" changed. */
const LAST_SEEN_INTERVAL = 60_000;

/** Such writes a second, of all objects together: with thousands of clusters they come less often, down to every two minutes. */
const LAST_SEEN_RATE = 40;
const LONGEST_LAST_SEEN_INTERVAL = 120_000;

/** Writes under way at once: what an API server that has stopped answering can hold up, and how hard it is hit after. */
const MOST_WRITES = 16;

/** Milliseconds until a write that failed is tried again, doubled each time. */
const FIRST_RETRY = 1_000;
const LAST_RETRY = 60_000;

/** By the condition ManagedClusterConnected. */
const PHASES: Readonly<Record<string, ClusterPhase>> = { True: 'Connected', False: 'Disconnected' };

interface Tracked {
  object: ManagedCluster;
  /** What the object was compared with when it last said what it should. */
  checked: Checked | undefined;
  /** Milliseconds since 1970; 0 for never. */
  lastSeen: number;
  writtenLastSeen: number;
  /** Milliseconds since 1970 at which we wrote it; 0 for never. */
  written: number;
  writing: boolean;
  /** No write before that time. */
  notBefore: number;
  retry: number;
}

/** All that a status is made of, but for the time at which something last came. */
interface Checked {
  readonly object: ManagedCluster;
  readonly problem: CertificateProblem | undefined;
  /** See ConnectionStates. */
  readonly revision: number;
  readonly everSeen: boolean;
  readonly spooling: boolean;
}

/**
 * Keeps the status of each ManagedCluster true: written when it changes, and for "last seen" alone at most once a
 * minute, since thousands of clusters send all the time.
 */
export class ClusterStatusWriter {
  readonly #client: KubeClient;
  readonly #registry: CertificateRegistry;
  readonly #connections: ConnectionStates;
  readonly #spooled: (cluster: string) => SpooledStatus | undefined;
  readonly #onError: (cluster: string, error: unknown) => void;
  readonly #tracked = new Map<string, Tracked>();
  #writes = 0;
  #goingRound = false;
  /** Called when a write has ended. */
  #onWritten: (() => void) | undefined;

  constructor(
    client: KubeClient,
    registry: CertificateRegistry,
    connections: ConnectionStates,
    onError: (cluster: string, error: unknown) => void,
    spooled: (cluster: string) => SpooledStatus | undefined = () => undefined,
  ) {
    this.#client = client;
    this.#registry = registry;
    this.#connections = connections;
    this.#onError = onError;
    this.#spooled = spooled;
  }

  /** An object as the API server has it now. */
  observe(object: ManagedCluster): void {
    this.#connections.observe(object);
    const written = object.status?.lastSeen === undefined ? 0 : Date.parse(object.status.lastSeen);
    const known = this.#tracked.get(object.metadata.name);
    if (known === undefined || known.object.metadata.uid !== object.metadata.uid) {
      this.#tracked.set(object.metadata.name, {
        object,
        checked: undefined,
        lastSeen: written,
        writtenLastSeen: written,
        written: 0,
        writing: false,
        notBefore: 0,
        retry: FIRST_RETRY,
      });
      return;
    }
    known.object = object;
    // Another manager may have seen the cluster since: without this, each would write the other's news away again.
    known.lastSeen = Math.max(known.lastSeen, written);
    known.writtenLastSeen = Math.max(known.writtenLastSeen, written);
  }

  forget(cluster: string): void {
    this.#tracked.delete(cluster);
    this.#connections.forget(cluster);
  }

  /** Only these objects exist. */
  retain(clusters: ReadonlySet<string>): void {
    for (const cluster of this.#tracked.keys()) if (!clusters.has(cluster)) this.forget(cluster);
  }

  /** Records of the cluster were taken. */
  received(cluster: string, now: number): void {
    const tracked = this.#tracked.get(cluster);
    if (tracked !== undefined) tracked.lastSeen = Math.max(tracked.lastSeen, now);
  }

  /**
   * Milliseconds since 1970 from which on records of the cluster may be missing: its tunnel was closed then, and nothing
   * has come since, by a forwarder either.
   */
  silentSince(cluster: string): number | undefined {
    const tracked = this.#tracked.get(cluster);
    const { phase, connection } = tracked?.object.status ?? {};
    const since = Date.parse(connection?.since ?? '');
    const lastSeen = tracked?.lastSeen ?? 0;
    if (phase !== 'Disconnected' || !(lastSeen <= since)) return undefined;
    // A tunnel that is cut off without a word is noticed some seconds later.
    return lastSeen === 0 ? since : lastSeen;
  }

  /**
   * Begins to write what is due, MOST_WRITES objects at once and the next as soon as one of them is written; call it about
   * once a second.
   */
  writeDue(signal: AbortSignal): void {
    if (!this.#goingRound) void this.#round(signal);
  }

  async #round(signal: AbortSignal): Promise<void> {
    this.#goingRound = true;
    for (const tracked of this.#tracked.values()) {
      if (this.#writes >= MOST_WRITES) await this.#written();
      if (signal.aborted) break;
      const status = this.#due(tracked, Date.now());
      if (status !== undefined) void this.#write(tracked, status, signal);
    }
    this.#goingRound = false;
  }

  async #written(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onWritten = resolve;
    });
  }

  /** The status that is to be written now. There are thousands to look at each second, of which few have changed. */
  #due(tracked: Tracked, now: number): ManagedClusterStatus | undefined {
    const { object, checked, notBefore, writing } = tracked;
    if (writing || now < notBefore) return undefined;
    const { name } = object.metadata;
    tracked.lastSeen = Math.max(tracked.lastSeen, this.#connections.lastSeen(name));
    const spooling = this.#spooled(name) !== undefined;
    const aged =
      tracked.lastSeen - tracked.writtenLastSeen >= this.#lastSeenInterval ||
      (spooling && now - tracked.written >= this.#lastSeenInterval);
    const current = {
      object,
      problem: this.#registry.problemOf(name),
      revision: this.#connections.revisionOf(name),
      everSeen: tracked.lastSeen > 0,
      spooling,
    };
    if (!aged && checked !== undefined && isSame(checked, current)) return undefined;
    const status = this.#desired(tracked, now);
    if (aged || !sameState(object.status, status)) return status;
    tracked.checked = current;
    return undefined;
  }

  get #lastSeenInterval(): number {
    const paced = (this.#tracked.size / LAST_SEEN_RATE) * 1000;
    return Math.min(Math.max(LAST_SEEN_INTERVAL, paced), LONGEST_LAST_SEEN_INTERVAL);
  }

  /** Never rejects: what fails is told to `onError` and tried again later. */
  async #write(tracked: Tracked, status: ManagedClusterStatus, signal: AbortSignal): Promise<void> {
    const { name, uid } = tracked.object.metadata;
    const { lastSeen } = tracked;
    tracked.writing = true;
    this.#writes++;
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
      tracked.written = Date.now();
      tracked.retry = FIRST_RETRY;
    } catch (error) {
      tracked.notBefore = Date.now() + tracked.retry * (0.5 + Math.random() / 2);
      tracked.retry = Math.min(tracked.retry * 2, LAST_RETRY);
      // Deleted, or deleted and created anew: the watch will say so.
      if (!signal.aborted && !isStatus(error, 404) && !isStatus(error, 409)) this.#onError(name, error);
    } finally {
      tracked.writing = false;
      this.#writes--;
      this.#onWritten?.();
    }
  }

  #desired({ object, lastSeen }: Tracked, now: number): ManagedClusterStatus {
    const problem = this.#registry.problemOf(object.metadata.name);
    const expiry = this.#registry.expiryOf(object.metadata.name, 'tunnel');
    const spooled = this.#spooled(object.metadata.name);
    const { condition, ...tunnel } = this.#connections.statusOf(object, now);
    const phase = problem?.type ?? PHASES[condition.status] ?? (lastSeen > 0 ? 'Receiving' : 'Pending');
    const conditions: Omit<Condition, 'lastTransitionTime'>[] = [condition];
    if (problem !== undefined) {
      conditions.push({ type: problem.type, status: 'True', reason: 'Refused', message: problem.message });
    }
    return {
      phase,
      ...(lastSeen > 0 ? { lastSeen: new Date(lastSeen).toISOString() } : {}),
      ...tunnel,
      ...(spooled === undefined ? {} : { spooled }),
      ...(expiry === undefined ? {} : { certificateExpires: new Date(expiry).toISOString() }),
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

function isSame(a: Checked, b: Checked): boolean {
  const sameSeen = a.everSeen === b.everSeen && a.spooling === b.spooling;
  return a.object === b.object && a.problem === b.problem && a.revision === b.revision && sameSeen;
}

/** Equal but for what changes all the time: "last seen", the round trip and how much is spooled. */
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
  const { since, address, manager, reconnects, lastError } = status?.connection ?? {};
  const connection = [since, address, manager, reconnects, lastError];
  const { phase, calicoVersion, namespaces, certificateExpires } = status ?? {};
  const spooling = status?.spooled !== undefined;
  return JSON.stringify([phase, conditions, connection, calicoVersion, namespaces, certificateExpires, spooling]);
}
