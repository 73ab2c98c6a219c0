import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { type CertificateUse, fingerprintOf, subjectOf } from '../clusters/certificate.ts';
import type { Admission, CertificateRegistry } from '../clusters/certificate-registry.ts';
import type { KeyPair } from '../clusters/key-pair.ts';
import { codeOf } from '../errors.ts';
import type { HostPort } from '../install/management.ts';
import type { HttpIngest } from '../logs/ingest/http-ingest.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import type { Tunnels } from '../tunnel/tunnels.ts';
import { ListeningPort } from './listening-port.ts';
import type { ManagerMetrics, RefusedConnection } from './metrics.ts';
import type { RepeatedLog } from './repeated-log.ts';
import { type UploadConnectionLimits, UploadConnections } from './upload-connections.ts';

/** What keeps one peer, or one cluster, from taking the connections of all the others. Milliseconds. */
export interface PortLimits extends UploadConnectionLimits {
  /** For the TLS handshake. */
  readonly handshake: number;
  /** For the first byte of who comes with a tunnel's certificate. */
  readonly firstByte: number;
  /** Handshakes under way at once, and how many of them with one address. */
  readonly handshakes: number;
  readonly handshakesPerAddress: number;
  /** Connections of one cluster's forwarders at once, and of all those together that may not speak. */
  readonly connections: number;
  /** Connections at once with one cluster's certificate for its tunnel, lest its forwarders leave no room for that. */
  readonly tunnelConnections: number;
}

export const PORT_LIMITS: PortLimits = {
  handshake: 8_000,
  // Guardian pings at once. One that has said nothing for as long as a silent tunnel may last is as dead as that.
  firstByte: 10_000,
  // When the manager comes back, thousands dial at once, and a core finishes some hundred a second. What is begun must
  // be done within the time above even if there is little of a core: thousands at once would all be late, each time.
  handshakes: 1_024,
  handshakesPerAddress: 512,
  // A forwarder sends its headers with the first packets.
  headers: 30_000,
  // Longer than the pauses between a forwarder's uploads.
  keepAlive: 75_000,
  refusal: 5_000,
  // A forwarder has up to three and one runs on each node; a connection is some 50 KiB.
  connections: 2_000,
  // One, and for a second the one that it replaces. More where two have the same keys, or try them elsewhere.
  tunnelConnections: 64,
};

/** Milliseconds of silence after which the kernel asks whether the peer is still there. */
const TCP_KEEP_ALIVE = 30_000;

/** Milliseconds between looks at certificates that have run out. */
const EXPIRY_CHECK = 500;

/** Told why somebody got no tunnel, as far as it can be said which cluster that was. */
export interface RefusalEvents {
  /** A certificate that names the cluster, which proves nothing, was refused. */
  certificateRefused(claimed: string, reason: string): void;
  /** A TLS handshake failed. */
  handshakeFailed(address: string, reason: string): void;
}

export interface ClusterPortOptions {
  readonly registry: CertificateRegistry;
  readonly ingest: HttpIngest;
  readonly tunnels: Tunnels;
  readonly certificate: KeyPair;
  readonly metrics: ManagerMetrics;
  readonly log: Logger;
  readonly repeated: RepeatedLog;
  readonly refusals: RefusalEvents;
  readonly limits?: PortLimits;
}

interface Connection {
  readonly fingerprint: string;
  /** What was decided when it came, or has been since. */
  admission: Admission;
  /** The tunnel that it is, once it has turned out to be one. */
  tunnel: Tunnel | undefined;
  /** What would be decided now. */
  readonly admit: () => Admission;
}

/**
 * The port that managed clusters dial (9449): mutual TLS, where the certificate says which cluster it is and what it
 * may do: open a tunnel, or send uploads. No CA list is advertised, since the clusters' certificates are their own
 * signers: the fingerprint decides.
 *
 * What a ManagedCluster no longer vouches for (deleted, replaced, expired) is cut off within a second of the manager's
 * learning of it, uploads under way unanswered.
 */
export class ClusterPort {
  readonly #port: ListeningPort;
  readonly #expiry: NodeJS.Timeout;
  readonly #options: ClusterPortOptions;
  readonly #limits: PortLimits;
  readonly #context: SecureContext;
  readonly #uploads: UploadConnections;
  /** Past their handshakes. */
  readonly #connections = new Map<TLSSocket, Connection>();
  /** How many there are of each share, see #shareOf. */
  readonly #owners = new Counts();
  readonly #handshakes = new Set<TLSSocket>();
  readonly #addresses = new Counts();

  constructor(options: ClusterPortOptions) {
    this.#options = options;
    const { certificate, registry, ingest, log, limits = PORT_LIMITS } = options;
    this.#limits = limits;
    this.#uploads = new UploadConnections(ingest, log, limits);
    this.#context = createSecureContext({
      cert: certificate.certificate,
      key: certificate.key,
      minVersion: 'TLSv1.2',
      // Forwarders resume their sessions.
      sessionIdContext: 'kubectl-mcm',
    });
    const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE };
    this.#port = new ListeningPort(socketOptions, (socket) => this.#shakeHands(socket));
    registry.onChange((changed) => this.#closeRevoked(({ cluster }) => changed === undefined || cluster === changed));
    this.#expiry = setInterval(() => this.#closeExpired(), EXPIRY_CHECK).unref();
  }

  get listening(): boolean {
    return this.#port.listening;
  }

  /** Where it listens. */
  get port(): number {
    return this.#port.port;
  }

  /** @throws Error EADDRINUSE */
  async listen(at: HostPort): Promise<void> {
    await this.#port.listen(at);
  }

  /** Stops listening and cuts every connection; resolves when none is left, handshakes included. */
  async close(): Promise<void> {
    clearInterval(this.#expiry);
    const closed = this.#port.close();
    for (const socket of [...this.#handshakes, ...this.#connections.keys()]) socket.destroy();
    await closed;
  }

  #shakeHands(raw: Socket): void {
    const peer = raw.remoteAddress ?? '';
    const { handshake, handshakes, handshakesPerAddress } = this.#limits;
    // Who never finishes a handshake must not keep others from theirs.
    if (this.#handshakes.size >= handshakes || this.#addresses.of(peer) >= handshakesPerAddress) {
      this.#refused('too_many', 'too many TLS handshakes are under way', { peer });
      raw.destroy();
      return;
    }
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#context,
      requestCert: true,
      rejectUnauthorized: false,
      // Guardian offers no ALPN, forwarders do or do not; h2 would cost more than it gives for bulk uploads.
      ALPNProtocols: ['http/1.1'],
    });
    this.#handshakes.add(socket);
    this.#addresses.add(peer);
    const late = setTimeout(() => socket.destroy(new Error(TOO_SLOW)), handshake);
    let error: Error | undefined;
    socket.on('error', (thrown) => {
      error = thrown;
      // Goes with what lies under it: a connection reset during the handshake leaves that open.
      socket.destroy();
    });
    const done = () => {
      clearTimeout(late);
      if (!this.#handshakes.delete(socket)) return false;
      this.#addresses.remove(peer);
      return true;
    };
    socket.once('close', () => {
      raw.destroy();
      if (done()) this.#handshakeFailed(error, peer);
    });
    socket.once('secure', () => {
      done();
      this.#accept(socket, peer);
    });
  }

  #accept(socket: TLSSocket, peer: string): void {
    const certificate = socket.getPeerX509Certificate();
    const admit = () => this.#admit(certificate);
    const admission = admit();
    if (!admission.admitted) this.#tellRefusal(certificate, admission.reason, peer);
    const { owner, most, whose } = this.#shareOf(admission);
    if (this.#owners.of(owner) >= most) {
      this.#refused('too_many', `${most} connections ${whose} are open already`, { peer });
      socket.destroy();
      return;
    }
    const fingerprint = certificate === undefined ? '' : fingerprintOf(certificate);
    const connection: Connection = { fingerprint, admission, admit, tunnel: undefined };
    this.#connections.set(socket, connection);
    this.#owners.add(owner);
    socket.once('close', () => {
      this.#owners.remove(owner);
      this.#connections.delete(socket);
    });
    if (certificate === undefined || subjectOf(certificate).use !== 'tunnel') {
      this.#uploads.take(socket, admit);
      return;
    }
    this.#onFirstByte(socket, (byte) => {
      if (byte !== YAMUX_VERSION) {
        if (admission.admitted) this.#tellRefusal(certificate, refusedAs('forwarder', admission).reason, peer);
        this.#uploads.take(socket, () => refusedAs('forwarder', admit()));
      } else if (admission.admitted) {
        connection.tunnel = this.#options.tunnels.accept(socket, { cluster: admission.cluster, certificate });
      } else {
        // Guardian reads no words.
        socket.destroy();
      }
    });
  }

  /** Out of which share of the connections it takes one. */
  #shareOf(admission: Admission): { readonly owner: string; readonly most: number; readonly whose: string } {
    const { connections, tunnelConnections } = this.#limits;
    if (!admission.admitted) return { owner: '', most: connections, whose: 'that may not speak' };
    const { cluster, use } = admission;
    const whose = `of the cluster "${cluster}"`;
    if (use === 'forwarder') return { owner: cluster, most: connections, whose };
    return { owner: `${cluster}/tunnel`, most: tunnelConnections, whose: `for the tunnel ${whose}` };
  }

  /**
   * Tells what the peer begins with. A tunnel's certificate alone must not replace the tunnel that is open: somebody may
   * try what the port answers, or have given the wrong keys to a forwarder.
   */
  #onFirstByte(socket: TLSSocket, decide: (byte: number | undefined) => void): void {
    const late = setTimeout(() => socket.destroy(), this.#limits.firstByte);
    socket.once('close', () => clearTimeout(late));
    socket.once('data', (chunk: Buffer) => {
      clearTimeout(late);
      socket.pause();
      socket.unshift(chunk);
      decide(chunk[0]);
      socket.resume();
    });
  }

  #admit(certificate: X509Certificate | undefined): Admission {
    if (certificate === undefined) return { admitted: false, reason: 'no client certificate' };
    return this.#options.registry.admit(fingerprintOf(certificate), Date.now());
  }

  #tellRefusal(certificate: X509Certificate | undefined, reason: string, peer: string): void {
    const fingerprint = certificate === undefined ? '' : fingerprintOf(certificate);
    this.#refused('certificate', reason, { fingerprint, peer });
    if (certificate === undefined) return;
    const { commonName, use } = subjectOf(certificate);
    if (use === 'tunnel') this.#options.refusals.certificateRefused(commonName, reason);
  }

  #handshakeFailed(error: Error | undefined, peer: string): void {
    const code = error === undefined ? 'ECONNRESET' : (codeOf(error) ?? error.message);
    this.#options.log.debug({ err: error, peer }, 'TLS handshake failed');
    this.#options.metrics.refused('handshake');
    // Probes of load balancers connect and hang up: that is counted, and no news.
    if (code === 'ECONNRESET') return;
    this.#options.repeated.warn('TLS handshake failed', code, { peer });
    // OpenSSL's own words; the message puts its source files before and after them.
    const { reason } = (error ?? {}) as { readonly reason?: string };
    this.#options.refusals.handshakeFailed(peer, reason ?? error?.message ?? code);
  }

  #refused(why: RefusedConnection, reason: string, details: object): void {
    this.#options.metrics.refused(why);
    this.#options.repeated.warn('connection refused', reason, details);
  }

  #closeExpired(): void {
    const now = Date.now();
    this.#closeRevoked(({ notAfter }) => notAfter <= now);
  }

  /** Closes those that would not be admitted now, among those that may be concerned: there are thousands. */
  #closeRevoked(isConcerned: (admitted: Extract<Admission, { admitted: true }>) => boolean): void {
    for (const [socket, connection] of this.#connections) {
      const { fingerprint, admission: before, tunnel, admit } = connection;
      if (!before.admitted || socket.destroyed || !isConcerned(before)) continue;
      const admission = admit();
      connection.admission = admission;
      if (admission.admitted) continue;
      this.#options.repeated.warn('connection closed', `${before.cluster}: ${admission.reason}`, { fingerprint });
      tunnel?.close('revoked', admission.reason);
      socket.destroy();
    }
  }
}

/** The first byte of every frame of yamux, and of no HTTP request. */
const YAMUX_VERSION = 0;

function refusedAs(use: CertificateUse, admission: Admission): Admission & { readonly admitted: false } {
  if (!admission.admitted) return admission;
  return { admitted: false, reason: `this is a ${admission.use}'s certificate, not a ${use}'s` };
}

const TOO_SLOW = 'the TLS handshake took too long';

/** How many there are of each name; names of which there is none take no room. */
class Counts {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1);
  }

  remove(name: string): void {
    const left = this.of(name) - 1;
    if (left > 0) this.#counts.set(name, left);
    else this.#counts.delete(name);
  }
}
