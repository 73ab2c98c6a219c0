import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { Admission } from '../clusters/certificate-registry.ts';
import type { HttpIngest } from '../logs/ingest/http-ingest.ts';

/** Milliseconds. */
export interface UploadConnectionLimits {
  /** For the headers of a connection's request. */
  readonly headers: number;
  /** For a forwarder's idle connection. */
  readonly keepAlive: number;
  /** For a connection that may not speak, and is told why. */
  readonly refusal: number;
}

interface Connection {
  /** Whether whoever is at the other end may speak, now. */
  readonly admission: () => Admission;
  /** Requests that are not answered yet. */
  requests: number;
  /** Ends it unless a request comes. */
  deadline: NodeJS.Timeout;
}

/** HTTP over the connections of forwarders; and over those of whoever may not speak, to say so. */
export class UploadConnections {
  readonly #ingest: HttpIngest;
  readonly #log: Logger;
  readonly #limits: UploadConnectionLimits;
  /**
   * Never listens: it is handed connections. Node looks for late headers and requests only in servers that listen,
   * hence the deadlines here.
   */
  readonly #http: Server;
  readonly #connections = new WeakMap<object, Connection>();

  constructor(ingest: HttpIngest, log: Logger, limits: UploadConnectionLimits) {
    this.#ingest = ingest;
    this.#log = log;
    this.#limits = limits;
    this.#http = createServer({ keepAliveTimeout: limits.keepAlive, requestTimeout: 0 }, (request, response) =>
      this.#serve(request, response),
    );
  }

  take(socket: TLSSocket, admission: () => Admission): void {
    const { headers, refusal } = this.#limits;
    const deadline = this.#destroyAfter(socket, admission().admitted ? headers : refusal);
    const connection = { admission, requests: 0, deadline };
    this.#connections.set(socket, connection);
    socket.once('close', () => clearTimeout(connection.deadline));
    this.#http.emit('connection', socket);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket as TLSSocket;
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    const admission = connection.admission();
    if (!admission.admitted) {
      refuse(response, admission.reason);
      return;
    }
    const { headers, keepAlive } = this.#limits;
    clearTimeout(connection.deadline);
    connection.requests++;
    response.once('close', () => {
      connection.requests--;
      // Node ends an idle connection before that; not one that dribbles the headers of its next request.
      if (connection.requests === 0 && !socket.destroyed) {
        connection.deadline = this.#destroyAfter(socket, keepAlive + headers);
      }
    });
    void this.#ingest.handle(request, response, admission.cluster);
  }

  #destroyAfter(socket: TLSSocket, milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#log.debug({ peer: socket.remoteAddress }, 'connection ended: no request in time');
      socket.destroy();
    }, milliseconds);
  }
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
