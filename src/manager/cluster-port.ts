import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { type CertificateUse, fingerprintOf } from '../clusters/certificate.ts';
import type { Admission, CertificateRegistry } from '../clusters/certificate-registry.ts';
import type { HttpIngest } from '../logs/ingest/http-ingest.ts';
import type { ServingCertificate } from './serving-certificate.ts';

export interface ClusterPortOptions {
  readonly registry: CertificateRegistry;
  readonly ingest: HttpIngest;
  readonly certificate: ServingCertificate;
  readonly log: Logger;
}

/** Milliseconds a client has for its TLS handshake. */
const HANDSHAKE_TIMEOUT = 8_000;

/** Milliseconds between looks at certificates that have run out. */
const EXPIRY_CHECK = 500;

/** A connection whose certificate is not admitted lives this long, to be told why. */
const REFUSAL_TIMEOUT = 5_000;

/** Milliseconds a forwarder's idle connection is kept: longer than the pauses between its uploads. */
const KEEP_ALIVE = 75_000;

/**
 * The port that managed clusters dial (9449): mutual TLS, where the certificate says which cluster it is and what it
 * may do. No CA list is advertised, since the clusters' certificates are their own signers: the fingerprint decides.
 *
 * What a ManagedCluster no longer vouches for (deleted, replaced, expired) is cut off within a second, uploads under
 * way unanswered.
 */
export class ClusterPort {
  readonly server: Server;
  readonly #options: ClusterPortOptions;
  /** Never listens: it is handed the connections whose certificate is a forwarder's. */
  readonly #http = createHttpServer({ keepAliveTimeout: KEEP_ALIVE, requestTimeout: 0 }, (request, response) =>
    this.#serve(request, response),
  );
  readonly #sockets = new Set<TLSSocket>();
  /** Connections that may speak, with their certificates' fingerprints. */
  readonly #admitted = new Map<TLSSocket, string>();
  readonly #expiry: NodeJS.Timeout;

  constructor(options: ClusterPortOptions) {
    this.#options = options;
    const { certificate, registry } = options;
    this.server = createServer({
      cert: certificate.certificate,
      key: certificate.key,
      minVersion: 'TLSv1.2',
      requestCert: true,
      rejectUnauthorized: false,
      // Guardian offers no ALPN, forwarders do or do not; h2 would cost more than it gives for bulk uploads.
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      noDelay: true,
    });
    this.server.on('secureConnection', (socket) => this.#accept(socket));
    this.server.on('tlsClientError', (error) => options.log.debug({ err: error }, 'TLS handshake failed'));
    registry.onChange(() => this.#closeRevoked());
    this.#expiry = setInterval(() => this.#closeRevoked(), EXPIRY_CHECK).unref();
    this.server.once('close', () => clearInterval(this.#expiry));
  }

  /** Stops listening and cuts every connection; resolves when none is left. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #accept(socket: TLSSocket): void {
    const fingerprint = peerFingerprint(socket);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#admitted.delete(socket);
    });
    socket.on('error', (error) => this.#options.log.debug({ err: error }, 'connection failed'));
    const admission = this.#admission(fingerprint, 'forwarder');
    if (admission.admitted) {
      this.#admitted.set(socket, fingerprint);
    } else {
      const { reason } = admission;
      this.#options.log.warn({ fingerprint, reason, peer: socket.remoteAddress }, 'connection refused');
      const timer = setTimeout(() => socket.destroy(), REFUSAL_TIMEOUT);
      socket.once('close', () => clearTimeout(timer));
    }
    this.#http.emit('connection', socket);
  }

  #admission(fingerprint: string, use: CertificateUse): Admission {
    if (fingerprint === '') return { admitted: false, reason: 'no client certificate' };
    const admission = this.#options.registry.admit(fingerprint, Date.now());
    if (!admission.admitted || admission.use === use) return admission;
    return { admitted: false, reason: `this is a ${admission.use}'s certificate, not a ${use}'s` };
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket as TLSSocket;
    const fingerprint = this.#admitted.get(socket) ?? peerFingerprint(socket);
    const admission = this.#admission(fingerprint, 'forwarder');
    if (!admission.admitted) {
      refuse(response, admission.reason);
      return;
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    this.#options.ingest.handle(request, response, admission.cluster, gone.signal).catch((error: unknown) => {
      this.#options.log.error({ err: error, cluster: admission.cluster }, 'upload failed');
      if (!response.headersSent) response.writeHead(500, { 'content-length': 0 });
      response.end();
    });
  }

  #closeRevoked(): void {
    for (const [socket, fingerprint] of this.#admitted) {
      const admission = this.#admission(fingerprint, 'forwarder');
      if (admission.admitted) continue;
      this.#options.log.warn({ fingerprint, reason: admission.reason }, 'connection closed');
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
