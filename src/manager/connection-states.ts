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

/** Connections that replace each other, each within so many milliseconds of the one before, and how many are too many. */
const QUICK = 60_000;
const TOO_MANY = 3;

/** Characters of `lastError` that the CRD allows. */
const LONGEST_ERROR = 1024;

/** What this manager has seen of one cluster's tunnel since it was started. */
interface Seen {
  /** Counts what happened. */
  revision: number;
  /** Milliseconds since 1970. */
  readonly firstObserved: number;
  tunnel: Tunnel | undefined;
  /** Milliseconds since 1970 at which the tunnel opened, or the last one closed. */
  since: number;
  address: string;
  reconnects: number;
  /** How many connections in a row have each replaced an open one that was new itself. */
  replacements: number;
  /** Why it is not connected; undefined while none has been. */
  lost: string | undefined;
  lastError: string | undefined;
  /** When the tunnel opened that another manager has, by what the object says; milliseconds since 1970. */
  elsewhere: number | undefined;
  /** Whether something happened here, and not elsewhere, that this manager has not said in the object yet. */
  news: boolean;
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
  readonly #seen = new Map<string, Seen>();

  /** `manager` tells this manager from others, and is the same after a restart. */
  constructor(manager: string) {
    this.#manager = manager;
  }

  /** `replaced` is the cluster's tunnel before, where that was still open. */
  connected(tunnel: Tunnel, replaced?: Tunnel): void {
    const seen = this.#of(tunnel.cluster);
    seen.revision++;
    if (seen.since > 0) seen.reconnects++;
    const quick = replaced !== undefined && tunnel.since - replaced.since < QUICK;
    seen.replacements = quick ? seen.replacements + 1 : 0;
    if (replaced !== undefined) setError(seen, `replaced by a newer connection from ${tunnel.address}`);
    seen.tunnel = tunnel;
    seen.since = tunnel.since;
    seen.address = tunnel.address;
    seen.lost = undefined;
  }

  disconnected({ cluster }: Tunnel, reason: string): void {
    // What is registered no more is closed and forgotten in one go.
    const seen = this.#seen.get(cluster);
    if (seen === undefined) return;
    seen.revision++;
    seen.tunnel = undefined;
    seen.since = Date.now();
    seen.lost = reason;
    setError(seen, reason);
  }

  /** Somebody who said to be that cluster was refused. */
  refused(cluster: string, reason: string): void {
    // Names that nobody has registered would fill the memory.
    const seen = this.#seen.get(cluster);
    if (seen !== undefined) setError(seen, reason);
  }

  /**
   * A handshake failed with somebody at this address. Told of the cluster that once connected from there; where several
   * did, behind one proxy, nobody knows whose it was.
   */
  handshakeFailed(address: string, reason: string): void {
    if (address === '') return;
    const known = [...this.#seen.values()].filter((seen) => seen.address === address);
    const [seen] = known;
    if (seen === undefined || known.length > 1 || seen.tunnel !== undefined) return;
    setError(seen, `TLS: ${reason}`);
  }

  learned(cluster: string, facts: ClusterFacts): void {
    const seen = this.#seen.get(cluster);
    if (seen === undefined) return;
    seen.revision++;
    seen.facts = { ...seen.facts, ...facts };
  }

  /** The cluster is registered: what its object says is where we go on from. */
  observe({ metadata: { name }, status }: ManagedCluster): void {
    const { since, address = '', manager, reconnects = 0, lastError } = status?.connection ?? {};
    const isNew = !this.#seen.has(name);
    const seen = this.#of(name);
    const isElsewhere = manager !== this.#manager && connectedIn(status)?.status === 'True';
    seen.elsewhere = isElsewhere ? Date.parse(since ?? '') : undefined;
    if (isElsewhere || manager === this.#manager) seen.news = false;
    // Another manager may have had it meanwhile.
    seen.reconnects = Math.max(seen.reconnects, reconnects);
    if (seen.since === 0 && since !== undefined) seen.since = Date.parse(since);
    if (!isNew) return;
    seen.address = address;
    seen.lastError = lastError;
  }

  forget(cluster: string): void {
    this.#seen.delete(cluster);
  }

  /** Milliseconds since 1970 at which something last came through the tunnel; 0 without one. */
  lastSeen(cluster: string): number {
    const seen = this.#seen.get(cluster);
    // What keeps another manager's word alive is for that manager to say.
    return seen === undefined || isOutdated(seen) ? 0 : (seen.tunnel?.lastSeen ?? 0);
  }

  /**
   * Another number when `statusOf` would say something else of the same object; NaN, which equals nothing, while time
   * alone may change that.
   */
  revisionOf(cluster: string): number {
    const seen = this.#seen.get(cluster);
    if (seen === undefined) return Number.NaN;
    const { tunnel, lost, elsewhere, replacements, revision } = seen;
    if (elsewhere !== undefined) return Number.NaN;
    const settled = tunnel === undefined ? lost !== undefined : replacements < TOO_MANY;
    return settled ? revision : Number.NaN;
  }

  /**
   * What is to stand in the object's status now. The manager that has the tunnel says everything of it; one that has
   * none, or an older one that is about to be found dead, leaves another's word alone for as long as that counts and it
   * has no news itself, lest the two write over each other for ever.
   */
  statusOf({ metadata: { name }, status }: ManagedCluster, now: number): TunnelStatus {
    const seen = this.#of(name);
    const { calicoVersion, namespaces, connection } = status ?? {};
    const written = { calicoVersion, namespaces, connection };
    const before = connectedIn(status);
    const anothers = connection?.manager !== undefined && connection.manager !== this.#manager;
    const theirs = anothers && before !== undefined ? othersWord(before, status, now) : undefined;
    const outdated = theirs?.status === 'True' && isOutdated(seen);
    if (seen.tunnel !== undefined && !outdated) {
      return { ...written, ...seen.facts, condition: connectedNow(seen, now), connection: this.#connection(seen) };
    }
    if (theirs !== undefined && (outdated || !seen.news)) return { ...written, condition: theirs };
    if (seen.lost !== undefined) {
      return { ...written, condition: disconnectedNow(seen.lost, seen.lastError), connection: this.#connection(seen) };
    }
    const { lastError } = seen;
    const noted =
      lastError === undefined
        ? written
        : { ...written, connection: { ...connection, manager: this.#manager, lastError } };
    if (before === undefined || before.reason === NO_TUNNEL) return { ...noted, condition: notYet(seen) };
    if (before.status !== 'True' || now < seen.firstObserved + GRACE) return { ...noted, condition: before };
    return { ...noted, condition: condition('False', 'Disconnected', NOT_BACK) };
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
        firstObserved: Date.now(),
        tunnel: undefined,
        since: 0,
        address: '',
        reconnects: 0,
        replacements: 0,
        lost: undefined,
        lastError: undefined,
        elsewhere: undefined,
        news: false,
        facts: {},
      };
      this.#seen.set(cluster, seen);
    }
    return seen;
  }
}

const NO_TUNNEL = 'NoTunnel';
const NOT_BACK = 'It has not come back since the manager was started.';

/** Whether its tunnel is older than one that another manager has: the cluster has moved, and this one does not know yet. */
function isOutdated({ tunnel, elsewhere }: Seen): boolean {
  return tunnel !== undefined && elsewhere !== undefined && elsewhere > tunnel.since;
}

function setError(seen: Seen, error: string): void {
  seen.revision++;
  seen.lastError = error.slice(0, LONGEST_ERROR);
  seen.news = seen.elsewhere === undefined;
}

function connectedIn(status: ManagedClusterStatus | undefined): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === CONNECTED_CONDITION);
}

function condition(status: Condition['status'], reason: string, message: string): TunnelStatus['condition'] {
  return { type: CONNECTED_CONDITION, status, reason, message };
}

function connectedNow({ replacements, since, address }: Seen, now: number): TunnelStatus['condition'] {
  const contested = replacements >= TOO_MANY && now - since < QUICK;
  const message = contested
    ? `The tunnel is open, but not for long: ${replacements} connections in a row have replaced each other, the last from ${address}. Do two clients use one certificate?`
    : 'The tunnel is open.';
  return condition('True', 'Connected', message);
}

function disconnectedNow(lost: string, lastError: string | undefined): TunnelStatus['condition'] {
  const since = lastError === undefined || lastError === lost ? '' : ` Since then: ${lastError}.`;
  return condition('False', 'Disconnected', `The tunnel was closed: ${lost}.${since}`);
}

function notYet({ lastError }: Seen): TunnelStatus['condition'] {
  const tried = lastError === undefined ? '' : ` Somebody tried and was refused: ${lastError}.`;
  return condition('Unknown', NO_TUNNEL, `No tunnel of this cluster has connected.${tried}`);
}

/** What another manager has written, for as long as it is heard of. */
function othersWord(
  before: Condition,
  status: ManagedClusterStatus | undefined,
  now: number,
): TunnelStatus['condition'] {
  if (before.status !== 'True' || now < Date.parse(status?.lastSeen ?? '') + OTHERS_WORD) return before;
  const gone = `The manager ${status?.connection?.manager} has not been heard of for three minutes.`;
  return condition('Unknown', 'ManagerGone', gone);
}
