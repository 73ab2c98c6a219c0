import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerOptions } from 'node:http2';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { YamuxStream } from './yamux/stream.ts';

/** Milliseconds that whoever opens a stream has to finish its TLS handshake. */
const HANDSHAKE_TIMEOUT = 10_000;

/** Milliseconds. Goldmane sends every five minutes. */
const IDLE_TIMEOUT = 600_000;

const HTTP2: ServerOptions = {
  // With the standard 64 KiB an upload stops and waits all the time.
  settings: { initialWindowSize: 1024 * 1024, maxConcurrentStreams: 200 },
};

export interface InnerServerOptions {
  /** Shared by all: one of its own would be most of what a tunnel costs. */
  readonly context: SecureContext;
  /** What ALPN may choose from; a client that offers none speaks HTTP/1.1. */
  readonly protocols: readonly ('h2' | 'http/1.1')[];
  /** Answers the requests, whichever protocol they came by. */
  readonly listener: RequestListener;
  /** Told of each stream in which TLS did not come about. */
  readonly onHandshakeFailed?: () => void;
  /** Milliseconds of silence after which a connection is closed. */
  readonly idle?: number;
}

/**
 * HTTPS in the streams of a tunnel: each stream that the other end opens is a TLS connection to us. So the management
 * side takes Goldmane's flows, and the agent what the management side asks of its cluster.
 */
export class InnerServer {
  readonly #context: SecureContext;
  readonly #protocols: string[];
  readonly #onHandshakeFailed: () => void;
  // Neither ever listens: they are handed connections.
  readonly #http: HttpServer;
  readonly #http2: Http2Server;

  constructor({ context, protocols, listener, onHandshakeFailed, idle = IDLE_TIMEOUT }: InnerServerOptions) {
    this.#context = context;
    this.#protocols = [...protocols];
    this.#onHandshakeFailed = onHandshakeFailed ?? (() => undefined);
    this.#http = createHttpServer({ requestTimeout: 0, keepAliveTimeout: idle }, listener);
    // Node's compatibility API: requests and responses are what they are in HTTP/1.1.
    this.#http2 = createHttp2Server(HTTP2, listener as never);
    // By themselves: HTTP/2 reads past the socket, whose own timer would run out however much comes.
    this.#http.setTimeout(idle);
    this.#http2.setTimeout(idle);
    // Whoever breaks off knows that they did.
    this.#http2.on('sessionError', () => undefined);
  }

  /** Takes a stream that the other end has opened. */
  accept(stream: YamuxStream): void {
    const socket = new TLSSocket(stream, {
      isServer: true,
      secureContext: this.#context,
      ALPNProtocols: this.#protocols,
    });
    const late = setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT).unref();
    // Somebody who only looks whether the port answers. Ended, not reset: that is no failure.
    const leave = () => {
      socket.off('close', this.#onHandshakeFailed);
      stream.end(() => socket.destroy());
    };
    stream.once('end', leave);
    socket.once('close', this.#onHandshakeFailed);
    socket.once('close', () => {
      clearTimeout(late);
      stream.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.once('secure', () => {
      clearTimeout(late);
      stream.off('end', leave);
      socket.off('close', this.#onHandshakeFailed);
      // A TLS server says so of its sockets; HTTP/2 waits for it.
      Object.assign(socket, { secureConnecting: false });
      if (socket.alpnProtocol !== 'h2') {
        this.#http.emit('connection', socket);
        return;
      }
      // As it reads past the socket, nothing else tells it that the other end is gone.
      stream.once('end', () => socket.destroy());
      this.#http2.emit('connection', socket);
    });
  }
}
