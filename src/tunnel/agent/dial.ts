import { X509Certificate } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, DEFAULT_CIPHERS, type TLSSocket } from 'node:tls';
import { type ProxyEnvironment, proxyFor } from './proxy-env.ts';

/** Milliseconds to connect, through the proxy and with TLS. Guardian's. */
const DIAL_TIMEOUT = 10_000;

/** Milliseconds of silence after which the kernel asks whether the peer is still there. */
const TCP_KEEP_ALIVE = 30_000;

/** In Go's order, as Guardian offers them: AES-128 costs both ends a little less. */
const CIPHERS = `TLS_AES_128_GCM_SHA256:${DEFAULT_CIPHERS}`;

/** The three files of the Secret `tigera-managed-cluster-connection`, PEM, and where to. */
export interface DialOptions {
  /** `HOST:PORT` of the management side. */
  readonly address: string;
  /** `management-cluster.crt`: who may answer. The only DNS name of the first certificate is asked for. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** HTTPS_PROXY, NO_PROXY. */
  readonly env: ProxyEnvironment;
}

/** @throws Error for a certificate that no server can be asked for. */
export function serverNameOf(ca: string): string {
  const names = [...(new X509Certificate(ca).subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)];
  const [only] = names;
  if (only?.[1] === undefined || names.length > 1) {
    throw new Error('management-cluster.crt must have exactly one DNS name');
  }
  return only[1];
}

/** Connects as Guardian does: TCP or an HTTP proxy's CONNECT, then TLS without ALPN. @throws Error */
export async function dial(options: DialOptions, signal: AbortSignal): Promise<TLSSocket> {
  const timeout = AbortSignal.timeout(DIAL_TIMEOUT);
  const ended = AbortSignal.any([signal, timeout]);
  let raw: Socket | undefined;
  try {
    raw = await connectRaw(options, ended);
    return await startTls(raw, options, ended);
  } catch (error) {
    raw?.destroy();
    signal.throwIfAborted();
    throw timeout.aborted ? new Error(`no connection within ${DIAL_TIMEOUT / 1000} s`) : error;
  }
}

async function connectRaw({ address, env }: DialOptions, signal: AbortSignal): Promise<Socket> {
  const { hostname, port } = new URL(`tls://${address}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const proxy = proxyFor(host, Number(port), env);
  if (proxy !== undefined) return await connectThrough(proxy, address, signal);
  return await settle<Socket>(signal, (resolve, reject) => {
    const socket = connectTcp({ host, port: Number(port), noDelay: true, keepAlive: true });
    socket.setKeepAlive(true, TCP_KEEP_ALIVE);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
    return socket;
  });
}

async function connectThrough(proxy: URL, target: string, signal: AbortSignal): Promise<Socket> {
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const send = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
  return await settle<Socket>(signal, (resolve, reject) => {
    const request = send({
      method: 'CONNECT',
      host,
      // Not the name in the Host header, which is the target's.
      servername: isIP(host) === 0 ? host : '',
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      path: target,
      agent: false,
      headers: { host: target, ...(credentials === ':' ? {} : { 'proxy-authorization': authorization }) },
    });
    request.once('connect', ({ statusCode }: IncomingMessage, socket: Socket, head: Buffer) => {
      if (statusCode === 200 && head.length === 0) {
        socket.setNoDelay(true).setKeepAlive(true, TCP_KEEP_ALIVE);
        resolve(socket);
        return;
      }
      socket.destroy();
      const words = STATUS_CODES[statusCode ?? 0] ?? '';
      const why = statusCode === 200 ? 'sent data of its own' : `answered ${statusCode} ${words}`.trimEnd();
      reject(new Error(`the proxy ${proxy.host} ${why} to CONNECT ${target}`));
    });
    request.once('error', (error) => reject(new Error(`the proxy ${proxy.host}: ${error.message}`)));
    request.end();
    return request;
  });
}

async function startTls(raw: Socket, options: DialOptions, signal: AbortSignal): Promise<TLSSocket> {
  const { ca, certificate, key } = options;
  return await settle<TLSSocket>(signal, (resolve, reject) => {
    const socket = connectTls({
      socket: raw,
      servername: serverNameOf(ca),
      ca,
      cert: certificate,
      key,
      minVersion: 'TLSv1.2',
      ciphers: CIPHERS,
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed during the TLS handshake')));
    return socket;
  });
}

/** A promise for what a connection attempt comes to; when `signal` aborts first, what was begun is destroyed. */
async function settle<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => { destroy(): unknown },
): Promise<T> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const begun = begin(resolve, reject);
  const abort = () => {
    begun.destroy();
    reject(signal.reason);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
