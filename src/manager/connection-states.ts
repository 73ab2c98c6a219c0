import {
  CONNECTED_CONDITION,
  type ConnectionStatus,
  type ManagedCluster,
  type ManagedClusterStatus,
} from '../clusters/managed-cluster.ts';
import type { Condition } from '../kube/objects.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import type { ClusterFacts } from './cluster-facts.ts';

/** Milliseconds that a cluster has to come back after the manager was started. Guardian dials every five seconds. */
const GRACE = 15_000;

/** Milliseconds after which what another manager has written counts no more: it writes every two minutes at least. */
const OTHERS_WORD = 180_000;

/** What this manager has seen of one cluster's tunnel since it was started. */
interface Seen {
  /** Counts what was learned. */
  revision: number;
  tunnel: Tunnel | undefined;
  /** Milliseconds since 1970 at which the tunnel opened, or the last one closed. */
  since: number;
  address: string;
  roundTrip: number | undefined;
  reconnects: number;
  /** Why it is not connected; undefined while none has been. */
  lost: string | undefined;
  lastError: string | undefined;
  facts: ClusterFacts;
}

/** The part of a ManagedCluster's status that is about its tunnel. */
export interface TunnelStatus extends Pick<ManagedClusterStatus, 'connection' | 'calicoVersion' | 'namespaces'> {
  readonly condition: Omit<Condition, 'lastTransitionTime'>;
}

/**
 * Whether clusters are connected, since when, and if not why: what this manager sees itself, and of what was written
 * before, by it or by another one, whatever still holds.
 */
export class ConnectionStates {
  readonly #manager: string;
  readonly #started = Date.now();
  readonly #seen = new Map<string, Seen>();

  /** `manager` tells this manager from others, and is the same after a restart. */
  constructor(manager: string) {
    this.#manager = manager;
  }

  connected(tunnel: Tunnel): void {
    const seen = this.#of(tunnel.cluster);
    seen.revision++;
    if (seen.since > 0) seen.reconnects++;
    seen.tunnel = tunnel;
    seen.since = tunnel.since;
    seen.address = tunnel.address;
    seen.lost = undefined;
  }

  disconnected({ cluster }: Tunnel, reason: string): void {
    const seen = this.#of(cluster);
    seen.revision++;
    seen.tunnel = undefined;
    seen.since = Date.now();
    seen.lost = reason;
    seen.lastError = reason;
  }

  /** Somebody who said to be that cluster was refused. */
  refused(cluster: string, reason: string): void {
    // Names that nobody has registered would fill the memory.
    const seen = this.#seen.get(cluster);
    if (seen === undefined) return;
    seen.revision++;
    seen.lastError = reason;
  }

  /**
   * A handshake failed with somebody at this address. Told of the cluster that once connected from there; where several
   * did, behind one proxy, nobody knows whose it was.
   */
  handshakeFailed(address: string, reason: string): void {
    const known = [...this.#seen.values()].filter((seen) => seen.address === address);
    const [seen] = known;
    if (seen === undefined || known.length > 1 || seen.tunnel !== undefined) return;
    seen.revision++;
    seen.lastError = `TLS: ${reason}`;
  }

  learned(cluster: string, facts: ClusterFacts): void {
    const seen = this.#of(cluster);
    seen.revision++;
    seen.facts = { ...seen.facts, ...facts };
  }

  /** The cluster is registered: what its object says is where we go on from. */
  observe({ metadata: { name }, status }: ManagedCluster): void {
    if (this.#seen.has(name)) return;
    const seen = this.#of(name);
    const { since, address = '', reconnects = 0, lastError } = status?.connection ?? {};
    if (since !== undefined) seen.since = Date.parse(since);
    seen.address = address;
    seen.reconnects = reconnects;
    seen.lastError = lastError;
  }

  forget(cluster: string): void {
    this.#seen.delete(cluster);
  }

  /** Milliseconds since 1970 at which something last came through the tunnel; 0 without one. */
  lastSeen(cluster: string): number {
    return this.#seen.get(cluster)?.tunnel?.lastSeen ?? 0;
  }

  /**
   * Another number when `statusOf` would say something else of the same object; NaN, which equals nothing, while time
   * alone may change that.
   */
  revisionOf(cluster: string): number {
    const seen = this.#seen.get(cluster);
    return seen?.tunnel === undefined && seen?.lost === undefined ? Number.NaN : seen.revision;
  }

  /** What is to stand in the object's status now. */
  statusOf({ metadata: { name }, status }: ManagedCluster, now: number): TunnelStatus {
    const seen = this.#of(name);
    const facts = { calicoVersion: status?.calicoVersion, namespaces: status?.namespaces, ...seen.facts };
    if (seen.tunnel !== undefined || seen.lost !== undefined) {
      return { ...facts, condition: conditionOf(seen), connection: this.#connection(seen) };
    }
    const connection = withError(status?.connection, seen.lastError);
    const before = status?.conditions?.find(({ type }) => type === CONNECTED_CONDITION);
    if (before === undefined || before.status === 'Unknown') {
      return { ...facts, condition: before?.reason === 'ManagerGone' ? before : notYet(seen), connection };
    }
    if (before.status === 'False') return { ...facts, condition: before, connection };
    return { ...facts, condition: this.#afterRestart(before, status, now), connection };
  }

  /** It was connected when that was last written, and not since this manager was started. */
  #afterRestart(before: Condition, status: ManagedClusterStatus | undefined, now: number): TunnelStatus['condition'] {
    if (status?.connection?.manager === this.#manager) {
      if (now < this.#started + GRACE) return before;
      return condition('False', 'Disconnected', 'It has not come back since the manager was started.');
    }
    if (now < Date.parse(status?.lastSeen ?? '') + OTHERS_WORD) return before;
    const other = status?.connection?.manager ?? 'that it was connected to';
    return condition('Unknown', 'ManagerGone', `The manager ${other} has not been heard of for three minutes.`);
  }

  #connection({ tunnel, since, address, reconnects, lastError }: Seen): ConnectionStatus {
    const roundTrip = tunnel?.session.roundTrip;
    return {
      since: new Date(since).toISOString(),
      address,
      manager: this.#manager,
      reconnects,
      ...(roundTrip === undefined ? {} : { roundTripMilliseconds: Math.ceil(roundTrip) }),
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  #of(cluster: string): Seen {
    let seen = this.#seen.get(cluster);
    if (seen === undefined) {
      seen = {
        revision: 0,
        tunnel: undefined,
        since: 0,
        address: '',
        roundTrip: undefined,
        reconnects: 0,
        lost: undefined,
        lastError: undefined,
        facts: {},
      };
      this.#seen.set(cluster, seen);
    }
    return seen;
  }
}

function condition(status: Condition['status'], reason: string, message: string): TunnelStatus['condition'] {
  return { type: CONNECTED_CONDITION, status, reason, message };
}

function conditionOf({ tunnel, lost, lastError }: Seen): TunnelStatus['condition'] {
  if (tunnel !== undefined) return condition('True', 'Connected', 'The tunnel is open.');
  const since = lastError === undefined || lastError === lost ? '' : ` Since then: ${lastError}.`;
  return condition('False', 'Disconnected', `The tunnel was closed: ${lost}.${since}`);
}

function notYet({ lastError }: Seen): TunnelStatus['condition'] {
  const tried = lastError === undefined ? '' : ` Somebody tried and was refused: ${lastError}.`;
  return condition('Unknown', 'NoTunnel', `No tunnel of this cluster has connected.${tried}`);
}

function withError(
  connection: ConnectionStatus | undefined,
  lastError: string | undefined,
): ConnectionStatus | undefined {
  return lastError === undefined ? connection : { ...connection, lastError };
}
