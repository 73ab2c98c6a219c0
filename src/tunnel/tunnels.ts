import { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { PingWheel } from './ping-wheel.ts';
import { Tunnel, type TunnelEnd, type TunnelIdentity } from './tunnel.ts';
import { ByteRate } from './yamux/byte-rate.ts';
import type { YamuxStream } from './yamux/stream.ts';
import { WindowBudget } from './yamux/window-budget.ts';

/** What decides about tunnels, in milliseconds and bytes. */
export interface TunnelLimits {
  /** A tunnel from which nothing has come for so long is dead. Guardian pings again 100 ms after each answer. */
  readonly silence: number;
  /** Between measurements of the round trip. */
  readonly measure: number;
  /** How long a tunnel that is replaced has to end what is under way. */
  readonly handOver: number;
  /** Streams that one cluster may have open. */
  readonly streams: number;
  /** Receive windows of one cluster, and of all together, beyond what every stream has. */
  readonly windows: number;
  readonly allWindows: number;
  /** Bytes a second that come out of the tunnel of one cluster. */
  readonly bytesPerSecond: number;
}

export const TUNNEL_LIMITS: TunnelLimits = {
  silence: 10_000,
  measure: 30_000,
  handOver: 1_000,
  // Each may hold its initial window unread, 64 MiB in all, which is in neither of the budgets below.
  streams: 256,
  windows: 32 * 1024 * 1024,
  allWindows: 256 * 1024 * 1024,
  // The flows of a busy cluster are a hundredth of that; a tenth of a core takes it.
  bytesPerSecond: 32 * 1024 * 1024,
};

/** Milliseconds between looks at which tunnels are still alive. */
const LOOK = 1_000;

interface Events {
  /** A cluster has connected; the tunnel that it `replaced`, if there was one, does not count any more. */
  connected: [tunnel: Tunnel, replaced: Tunnel | undefined];
  /** The cluster's tunnel is closed and it has no other. */
  disconnected: [tunnel: Tunnel, reason: string];
  /** A tunnel is closed, whether the cluster has another or not. */
  closed: [tunnel: Tunnel, end: TunnelEnd];
  /** The cluster has opened one stream too many. */
  refused: [tunnel: Tunnel];
  /** What the cluster sent has to wait, since it is more than it may send a second. */
  throttled: [tunnel: Tunnel, milliseconds: number];
  /** The cluster has opened a stream. */
  stream: [stream: YamuxStream, tunnel: Tunnel];
}

/** The tunnels that are open, at most one a cluster: the newest. */
export class Tunnels extends EventEmitter<Events> {
  readonly #limits: TunnelLimits;
  readonly #budget: WindowBudget;
  readonly #pings = new PingWheel();
  readonly #current = new Map<string, Tunnel>();
  /** Those that are replaced and not closed yet, too. */
  readonly #open = new Set<Tunnel>();
  /** Of every cluster that has ever connected: who connects anew gets no second's worth once more. */
  readonly #rates = new Map<string, ByteRate>();
  readonly #measured = new WeakMap<Tunnel, number>();
  readonly #look: NodeJS.Timeout;

  constructor(limits: TunnelLimits = TUNNEL_LIMITS) {
    super();
    this.#limits = limits;
    this.#budget = new WindowBudget(limits.allWindows);
    this.#look = setInterval(() => this.#lookAtAll(), LOOK).unref();
  }

  /** The tunnel of a cluster that is connected. */
  get(cluster: string): Tunnel | undefined {
    return this.#current.get(cluster);
  }

  /** Of every cluster that is connected. */
  [Symbol.iterator](): IterableIterator<Tunnel> {
    return this.#current.values();
  }

  get size(): number {
    return this.#current.size;
  }

  /** Takes a connection, past its TLS handshake, as the tunnel of the cluster it belongs to. */
  accept(socket: TLSSocket, identity: TunnelIdentity): Tunnel {
    const { streams, windows } = this.#limits;
    const tunnel = new Tunnel(socket, identity, {
      maxStreams: streams,
      budget: new WindowBudget(windows, this.#budget),
      rate: this.#rateOf(identity.cluster),
      answerPing: this.#pings.responder(),
    });
    const { cluster, session } = tunnel;
    session.on('stream', (stream) => this.emit('stream', stream, tunnel));
    session.on('refused', () => this.emit('refused', tunnel));
    session.on('throttled', (milliseconds) => this.emit('throttled', tunnel, milliseconds));
    session.once('close', (reason) => this.#closed(tunnel, reason));
    const before = this.#current.get(cluster);
    this.#current.set(cluster, tunnel);
    this.#open.add(tunnel);
    if (before !== undefined) this.#replace(before, tunnel);
    this.emit('connected', tunnel, before);
    return tunnel;
  }

  /** Closes every tunnel and takes no more. */
  close(): void {
    clearInterval(this.#look);
    for (const tunnel of this.#open) tunnel.close('stopped', 'the manager stops');
  }

  #rateOf(cluster: string): ByteRate {
    const rate = this.#rates.get(cluster) ?? new ByteRate(this.#limits.bytesPerSecond);
    this.#rates.set(cluster, rate);
    return rate;
  }

  /** Guardian dials anew when its session has died for it; we may learn of that later, or never. */
  #replace(old: Tunnel, by: Tunnel): void {
    old.session.goAway();
    const reason = `replaced by a newer connection from ${by.address}`;
    setTimeout(() => old.close('replaced', reason), this.#limits.handOver).unref();
  }

  #closed(tunnel: Tunnel, reason: Error): void {
    this.#open.delete(tunnel);
    this.emit('closed', tunnel, tunnel.endOf(reason));
    if (this.#current.get(tunnel.cluster) !== tunnel) return;
    this.#current.delete(tunnel.cluster);
    this.emit('disconnected', tunnel, reason.message);
  }

  #lookAtAll(): void {
    const { silence, measure } = this.#limits;
    const now = performance.now();
    for (const tunnel of this.#open) {
      if (tunnel.session.silence > silence) {
        tunnel.close('silent', `nothing came for ${silence / 1000} s`);
      } else if (tunnel.session.silence > silence / 2 || now - (this.#measured.get(tunnel) ?? 0) > measure) {
        // Asked also where it pings by itself: that alone does not tell how far away it is.
        this.#measured.set(tunnel, now);
        tunnel.session.measure();
      }
    }
  }
}
