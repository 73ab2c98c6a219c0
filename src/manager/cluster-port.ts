import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { type CertificateUse, fingerprintOf } from '../clusters/certificate.ts';
import type { Admission, CertificateRegistry } from '../clusters/certificate-registry.ts';
import type { KeyPair } from '../clusters/key-pair.ts';
import { codeOf } from '../errors.ts';
import type { HttpIngest } from '../logs/ingest/http-ingest.ts';
import type { ManagerMetrics, RefusedConnection } from './metrics.ts';
import type { RepeatedLog } from './repeated-log.ts';

/** What keeps one peer, or one cluster, from taking the connections of all the others. Milliseconds. */
export interface PortLimits {
  /** For the TLS handshake. */
  readonly handshake: number;
  /** For the headers of a connection's request. */
  readonly headers: number;
  /** For a forwarder's idle connection. */
  readonly keepAlive: number;
  /** For a connection that may not speak, and is told why. */
  readonly refusal: number;
  /** Connections of one cluster at once, and of all those together that may not speak. */
  readonly connections: number;
}

export const PORT_LIMITS: PortLimits = {
  handshake: 8_000,
  // A forwarder sends its headers with the first packets.
  headers: 30_000,
  // Longer than the pauses between a forwarder's uploads.
  keepAlive: 75_000,
  refusal: 5_000,
  // A forwarder has up to three and one runs on each node; a connection is some 50 KiB.
  connections: 2_000,
};

/** Milliseconds of silence after which the kernel asks whether the peer is still there. */
const TCP_KEEP_ALIVE = 30_000;

/** Milliseconds between looks at certificates that have run out. */
const EXPIRY_CHECK = 500;

export interface ClusterPortOptions {
  readonly registry: CertificateRegistry;
  readonly ingest: HttpIngest;
  readonly certificate: KeyPair;
  readonly metrics: ManagerMetrics;
  readonly log: Logger;
  readonly repeated: RepeatedLog;
  readonly limits?: PortLimits;
}

interface Connection {
  readonly fingerprint: string;
  /** What was decided when it came. */
  readonly admission: Admission;
  /** Requests that are not answered yet. */
  requests: number;
  /** Ends it unless a request comes. */
  deadline: NodeJS.Timeout;
}

/**
 * The port that managed clusters dial (9449): mutual TLS, where the certificate says which cluster it is and what it
 * may do. No CA list is advertised, since the clusters' certificates are their own signers: the fingerprint decides.
 *
 * What a ManagedCluster no longer vouches for (deleted, replaced, expired) is cut off within a second of the manager's
 * learning of it, uploads under way unanswered.
 */
export class ClusterPort {
  readonly server: Server;
  readonly #options: ClusterPortOptions;
  readonly #limits: PortLimits;
  /**
   * Never listens: it is handed the connections whose certificate is a forwarder's. Node looks for late headers and
   * requests only in servers that listen, hence the deadlines here.
   */
  readonly #http: HttpServer;
  readonly #connections = new Map<TLSSocket, Connection>();
  /** How many there are of each cluster, and under '' of those that may not speak. */
  readonly #counts = new Map<string, number>();
  readonly #expiry: NodeJS.Timeout;

  constructor(options: ClusterPortOptions) {
    this.#options = options;
    const { certificate, registry, limits = PORT_LIMITS } = options;
    this.#limits = limits;
    this.#http = createHttpServer({ keepAliveTimeout: limits.keepAlive, requestTimeout: 0 }, (request, response) =>
      this.#serve(request, response),
    );
    this.server = createServer({
      cert: certificate.certificate,
      key: certificate.key,
      minVersion: 'TLSv1.2',
      requestCert: true,
      rejectUnauthorized: false,
      // Guardian offers no ALPN, forwarders do or do not; h2 would cost more than it gives for bulk uploads.
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: limits.handshake,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE,
    });
    this.server.on('secureConnection', (socket) => this.#accept(socket));
    this.server.on('tlsClientError', (error, socket) => this.#handshakeFailed(error, socket.remoteAddress));
    registry.onChange(() => this.#closeRevoked());
    this.#expiry = setInterval(() => this.#closeRevoked(), EXPIRY_CHECK).unref();
    this.server.once('close', () => clearInterval(this.#expiry));
  }

  /** Stops listening and cuts every connection; resolves when none is left, handshakes included. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.#connections.keys()) socket.destroy();
    });
  }

  #accept(socket: TLSSocket): void {
    socket.on('error', (error) => this.#options.log.debug({ err: error }, 'connection failed'));
    const fingerprint = peerFingerprint(socket);
    const admission = this.#admission(fingerprint, 'forwarder');
    const { connections, headers, refusal } = this.#limits;
    if (!admission.admitted)
      this.#refused('certificate', admission.reason, { fingerprint, peer: socket.remoteAddress });
    const owner = admission.admitted ? admission.cluster : '';
    const count = this.#counts.get(owner) ?? 0;
    if (count >= connections) {
      const whose = owner === '' ? 'that may not speak' : `of the cluster "${owner}"`;
      this.#refused('too_many', `${count} connections ${whose} are open already`, { peer: socket.remoteAddress });
      socket.destroy();
      return;
    }
    this.#counts.set(owner, count + 1);
    const deadline = this.#destroyAfter(admission.admitted ? headers : refusal, socket);
    const connection = { fingerprint, admission, requests: 0, deadline };
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#closed(socket, connection, owner));
    this.#http.emit('connection', socket);
  }

  #closed(socket: TLSSocket, { deadline }: Connection, owner: string): void {
    clearTimeout(deadline);
    this.#connections.delete(socket);
    const left = (this.#counts.get(owner) ?? 0) - 1;
    if (left > 0) this.#counts.set(owner, left);
    else this.#counts.delete(owner);
  }

  #handshakeFailed(error: Error, peer: string | undefined): void {
    const code = codeOf(error) ?? 'unknown';
    this.#options.log.debug({ err: error, peer }, 'TLS handshake failed');
    this.#options.metrics.refused('handshake');
    // Probes of load balancers connect and hang up: that is counted, and no news.
    if (code !== 'ECONNRESET') this.#options.repeated.warn('TLS handshake failed', code, { peer });
  }

  #refused(why: RefusedConnection, reason: string, details: object): void {
    this.#options.metrics.refused(why);
    this.#options.repeated.warn('connection refused', reason, details);
  }

  #admission(fingerprint: string, use: CertificateUse): Admission {
    if (fingerprint === '') return { admitted: false, reason: 'no client certificate' };
    const admission = this.#options.registry.admit(fingerprint, Date.now());
    if (!admission.admitted || admission.use === use) return admission;
    return { admitted: false, reason: `this is a ${admission.use}'s certificate, not a ${use}'s` };
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket as TLSSocket;
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    const { fingerprint } = connection;
    const admission = connection.admission.admitted ? this.#admission(fingerprint, 'forwarder') : connection.admission;
    if (!admission.admitted) {
      refuse(response, admission.reason);
      return;
    }
    const { headers, keepAlive } = this.#limits;
    clearTimeout(connection.deadline);
    connection.requests++;
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
      connection.requests--;
      // Node ends an idle connection before that; not one that dribbles the headers of its next request.
      if (connection.requests === 0 && !socket.destroyed) {
        connection.deadline = this.#destroyAfter(keepAlive + headers, socket);
      }
    });
    this.#options.ingest.handle(request, response, admission.cluster, gone.signal).catch((error: unknown) => {
      this.#options.log.error({ err: error, cluster: admission.cluster }, 'upload failed');
      if (!response.headersSent) response.writeHead(500, { 'content-length': 0 });
      response.end();
    });
  }

  #destroyAfter(milliseconds: number, socket: TLSSocket): NodeJS.Timeout {
    return setTimeout(() => {
      this.#options.log.debug({ peer: socket.remoteAddress }, 'connection ended: no request in time');
      socket.destroy();
    }, milliseconds);
  }

  #closeRevoked(): void {
    for (const [socket, connection] of this.#connections) {
      const { fingerprint, admission: before } = connection;
      if (!before.admitted || socket.destroyed) continue;
      const admission = this.#admission(fingerprint, 'forwarder');
      if (admission.admitted) continue;
      this.#options.repeated.warn('connection closed', `${before.cluster}: ${admission.reason}`, { fingerprint });
      socket.destroy();
    }
  }
}

/** '' for a client without a certificate. */
function peerFingerprint(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? '' : fingerprintOf(certificate);
}

function refuse(response: ServerResponse, reason: string): void {
  const text = `${JSON.stringify({ error: reason })}\n`;
  response.writeHead(403, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    // Nothing this connection can ask for will be answered otherwise.
    connection: 'close',
  });
  response.end(text);
}
