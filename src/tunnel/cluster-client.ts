import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Tunnel } from './tunnel.ts';

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH } = constants;

/** Milliseconds for a stream, its TLS handshake and HTTP/2. */
const CONNECT_TIMEOUT = 10_000;

/** Milliseconds without a byte after which a request has failed. */
const REQUEST_TIMEOUT = 20_000;

/** Bytes of an answer's body that are read. */
const MAX_BODY = 4 * 1024 * 1024;

export interface ClusterAnswer {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * Requests to a managed cluster through its tunnel. Guardian passes them to the kube-apiserver with the rights of its
 * own ServiceAccount. One stream with TLS and HTTP/2 in it serves them all: over HTTP/1.1 Guardian answers one request
 * a stream.
 */
export class ClusterClient {
  readonly #tunnel: Tunnel;
  #session: ClientHttp2Session | undefined;
  #connecting: Promise<ClientHttp2Session> | undefined;

  constructor(tunnel: Tunnel) {
    this.#tunnel = tunnel;
  }

  /** GET; any HTTP status is an answer. @throws Error when there is none. */
  async get(path: string, signal: AbortSignal): Promise<ClusterAnswer> {
    return await this.#request({ [HTTP2_HEADER_PATH]: path }, undefined, signal);
  }

  /** Merge patch: members that are null are removed. Any HTTP status is an answer. @throws Error when there is none. */
  async patch(path: string, patch: object, signal: AbortSignal): Promise<ClusterAnswer> {
    const headers = {
      [HTTP2_HEADER_METHOD]: 'PATCH',
      [HTTP2_HEADER_PATH]: path,
      'content-type': 'application/merge-patch+json',
    };
    return await this.#request(headers, JSON.stringify(patch), signal);
  }

  async #request(headers: OutgoingHttpHeaders, body: string | undefined, signal: AbortSignal): Promise<ClusterAnswer> {
    const session = await this.#connected();
    signal.throwIfAborted();
    const stream = session.request(
      { ...headers, accept: 'application/json' },
      { signal, endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    return await readAnswer(stream);
  }

  /** Ends its stream; the next request opens another. */
  close(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  /** However many ask at once, one connection is made. */
  async #connected(): Promise<ClientHttp2Session> {
    const current = this.#session;
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    this.#session = await this.#connecting;
    return this.#session;
  }

  async #connect(): Promise<ClientHttp2Session> {
    const stream = this.#tunnel.open();
    const { promise, resolve, reject } = Promise.withResolvers<ClientHttp2Session>();
    const socket = connectTls({
      socket: stream,
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.2',
      // Nobody has signed it whom we know: it must be the very certificate that opened the tunnel.
      rejectUnauthorized: false,
    });
    const late = setTimeout(() => socket.destroy(new Error('the cluster does not answer')), CONNECT_TIMEOUT).unref();
    socket.once('close', () => {
      clearTimeout(late);
      stream.destroy();
      reject(new Error('the cluster closed the connection'));
    });
    // Every one: when the stream under it fails too, there are two, and one that nobody expects ends the process.
    socket.on('error', reject);
    // HTTP/2 reads past the socket and does not notice: requests would be sent to nobody, until they time out.
    stream.once('end', () => socket.destroy());
    socket.once('secureConnect', () => {
      try {
        this.#verify(socket);
        const session = connectHttp2('https://cluster.invalid', {
          createConnection: () => socket,
          settings: { enablePush: false },
        });
        session.on('error', reject);
        session.once('connect', () => {
          clearTimeout(late);
          resolve(session);
        });
      } catch (error) {
        reject(error);
        socket.destroy();
      }
    });
    return await promise;
  }

  #verify(socket: TLSSocket): void {
    const theirs = socket.getPeerX509Certificate();
    if (theirs === undefined || !theirs.raw.equals(this.#tunnel.certificate.raw)) {
      throw new Error("who answers in the tunnel has another certificate than the tunnel's own");
    }
    if (socket.alpnProtocol !== 'h2') throw new Error('who answers in the tunnel does not speak HTTP/2');
  }
}

async function readAnswer(stream: ClientHttp2Stream): Promise<ClusterAnswer> {
  let code = 0;
  let answered: IncomingHttpHeaders = {};
  let length = 0;
  const parts: Buffer[] = [];
  stream.setTimeout(REQUEST_TIMEOUT, () => stream.destroy(new Error('the cluster does not answer')));
  stream.once('response', (headers) => {
    code = headers[':status'] ?? 0;
    answered = headers;
  });
  for await (const part of stream as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_BODY) throw new Error(`the answer is longer than ${MAX_BODY} bytes`);
    parts.push(part);
  }
  if (code === 0) throw new Error('the cluster gave no answer');
  return { code, headers: answered, body: Buffer.concat(parts).toString('utf8') };
}
