import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ByteRate } from './yamux/byte-rate.ts';
import type { SessionConfig } from './yamux/config.ts';
import { ProtocolError } from './yamux/frame.ts';
import { type SessionCounts, YamuxSession } from './yamux/session.ts';
import type { YamuxStream } from './yamux/stream.ts';

/** Who is at the other end of a tunnel, as the certificate says it. */
export interface TunnelIdentity {
  readonly cluster: string;
  readonly certificate: X509Certificate;
}

/** What ended a tunnel: we did, with this reason, or it was `lost`, or what came was against the `protocol`. */
export type TunnelEnd = 'lost' | 'protocol' | 'silent' | 'replaced' | 'revoked' | 'stopped';

/**
 * The connection of one managed cluster, which the cluster has opened: either side opens streams in it. The cluster's
 * end is the client, as Guardian is.
 */
export class Tunnel {
  readonly cluster: string;
  readonly certificate: X509Certificate;
  /** Address of whoever dialled: the cluster's, or the last proxy's before us. */
  readonly address: string;
  /** Milliseconds since 1970. */
  readonly since = Date.now();
  readonly session: YamuxSession;
  /** How fast what comes from the cluster may come. */
  readonly rate: ByteRate | undefined;
  #end: TunnelEnd | undefined;

  constructor(socket: TLSSocket, { cluster, certificate }: TunnelIdentity, config: Partial<SessionConfig>) {
    this.cluster = cluster;
    this.certificate = certificate;
    this.address = socket.remoteAddress ?? '';
    this.rate = config.rate;
    this.session = new YamuxSession(socket, { ...config, role: 'server' });
  }

  /** Milliseconds since 1970 at which anything last came from the cluster. */
  get lastSeen(): number {
    return Date.now() - this.session.silence;
  }

  get counts(): SessionCounts {
    return this.session.counts;
  }

  /** Opens a stream to the cluster, where Guardian answers as a TLS server. @throws Error when the tunnel is closed. */
  open(): YamuxStream {
    return this.session.open();
  }

  /** Closes it for our own reason; `words` are for people. */
  close(end: TunnelEnd, words: string): void {
    this.#end ??= end;
    this.session.close(new Error(words));
  }

  /** What ended it, given what its session said. */
  endOf(reason: Error): TunnelEnd {
    return this.#end ?? (reason instanceof ProtocolError ? 'protocol' : 'lost');
  }
}
