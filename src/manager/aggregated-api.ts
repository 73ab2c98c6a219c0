import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { KeyPair } from '../clusters/key-pair.ts';
import { failure } from '../kube/status.ts';
import type { Requester } from '../rbac/log-access.ts';
import type { ApiGroup } from './api-group.ts';
import { Discovery, type Document } from './discovery.ts';
import { authenticate, type FrontProxy, isIssuedBy } from './front-proxy.ts';
import { JSON_TYPE, negotiate, TABLE_TYPE } from './media-type.ts';

/** Bytes of a request's headers and its first line, in which up to 250 names of clusters and a query can stand. */
const MAX_HEADERS = 64 * 1024;

/** Items in JSON, each of which is made when it is its turn. */
export interface JsonItems extends Iterable<string> {
  readonly length: number;
}

/**
 * From so many items on, what stands before them is sent before they are made: it says where to go on reading, so whoever
 * reads all there is can ask for that meanwhile.
 */
const MANY_ITEMS = 1_000;

/** What the aggregated API answers: a JSON object and its HTTP code. */
export interface Answer {
  readonly code: number;
  readonly body: object;
  /** What stands behind it as `items`. */
  readonly items?: JsonItems;
  /** What a path takes, where that is what is wrong (405). */
  readonly allow?: string | undefined;
  /** Makes Kubernetes' table of the same, where there is one. */
  readonly table?: () => object;
}

/** Reads what a request brings, as text; undefined where it is more than so many bytes. */
export type ReadBody = (most: number) => Promise<string | undefined>;

/** One of the groups that are served. */
export interface Api {
  readonly group: ApiGroup;
  /** Answers what is no document of discovery; `target` is the path and query as they stand on the wire. */
  answer(
    method: string,
    target: string,
    requester: Requester,
    signal: AbortSignal,
    readBody: ReadBody,
  ): Promise<Answer>;
}

export interface AggregatedApiOptions {
  readonly apis: readonly Api[];
  readonly certificate: KeyPair;
  readonly frontProxy: FrontProxy;
  readonly log: Logger;
}

/**
 * The port that kube-apiserver passes requests of its aggregated groups to. Nobody else gets an answer from it: who
 * comes without kube-apiserver's own client certificate is told 401, whatever headers they send.
 */
export class AggregatedApiServer {
  readonly server: Server;
  readonly #options: AggregatedApiOptions;
  readonly #discovery: Discovery;
  #frontProxy: FrontProxy;
  /**
   * By which CA the certificates of open connections are verified, by where these come from: resumed, kept alive or still
   * shaking hands, none outlives its CA.
   */
  readonly #verifiedBy = new Map<string, { ca: string }>();

  constructor(options: AggregatedApiOptions) {
    this.#options = options;
    this.#frontProxy = options.frontProxy;
    this.#discovery = new Discovery(options.apis.map(({ group }) => group));
    this.server = createServer(tlsOptions(options.certificate, options.frontProxy), (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        options.log.error({ err: error, path: request.url }, 'aggregated API request failed');
        const message = 'Internal error occurred: see the log of the manager';
        if (!response.headersSent) return this.#send(request, response, refusal(500, 'InternalError', message));
        response.destroy();
        return undefined;
      });
    });
    this.server.on('connection', (socket: Socket) => {
      const ends = endsOf(socket);
      const verified = { ca: this.#frontProxy.ca };
      this.#verifiedBy.set(ends, verified);
      socket.once('close', () => {
        // The next one can come from the same port before this one is known to be gone.
        if (this.#verifiedBy.get(ends) === verified) this.#verifiedBy.delete(ends);
      });
    });
  }

  /** Takes a new front-proxy configuration, for open connections too. */
  setFrontProxy(frontProxy: FrontProxy): void {
    if (frontProxy.ca !== this.#frontProxy.ca) {
      this.server.setSecureContext(tlsOptions(this.#options.certificate, frontProxy));
    }
    this.#frontProxy = frontProxy;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requester = this.#isCurrent(request.socket) ? authenticate(request, this.#frontProxy) : undefined;
    if (requester === undefined) {
      await this.#send(request, response, refusal(401, 'Unauthorized', 'only kube-apiserver is served here'));
      return;
    }
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    try {
      await this.#send(request, response, await this.#answer(request, requester, gone.signal));
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    }
  }

  async #answer(request: IncomingMessage, requester: Requester, signal: AbortSignal): Promise<Sent> {
    const { method = '', url = '', headers } = request;
    const path = url.split('?')[0] ?? '';
    const document = this.#discovery.find(path);
    if (document !== undefined) return method === 'GET' ? inForm(headers.accept, document) : notAllowed(method);
    const api = this.#options.apis.find(({ group: { name } }) => path.startsWith(`/apis/${name}/`));
    if (api === undefined) return refusal(404, 'NotFound', 'the server could not find the requested resource');
    // Before anything is read for somebody who takes none of it.
    if (negotiate(headers.accept, FORMS) === undefined) return notAcceptable(FORMS);
    const { code, body, items, table, allow } = await api.answer(method, url, requester, signal, bodyReader(request));
    if (code !== 200) return { code, body, type: JSON_TYPE, allow };
    const forms = table === undefined ? [JSON_TYPE] : FORMS;
    const type = negotiate(headers.accept, forms);
    if (type === undefined) return notAcceptable(forms);
    if (items !== undefined) return { code, body, items, type };
    return { code, body: type === TABLE_TYPE && table !== undefined ? table() : body, type };
  }

  /** Whether what a connection came with counts by the CA of now, whichever verified it. */
  #isCurrent(socket: Socket): boolean {
    const { ca } = this.#frontProxy;
    const verified = this.#verifiedBy.get(endsOf(socket));
    if (verified?.ca === ca) return true;
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    if (verified === undefined || certificate === undefined || !isIssuedBy(certificate, ca)) return false;
    verified.ca = ca;
    return true;
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    { code, body, items, type, allow = 'GET' }: Sent,
  ): Promise<void> {
    const head = JSON.stringify(body);
    const headers = {
      'content-type': type,
      ...(code === 405 ? { allow } : {}),
      ...(this.#isCurrent(request.socket) ? {} : { connection: 'close' }),
    };
    const beginning = items === undefined ? head : `${head.slice(0, -1)},"items":[`;
    if (items === undefined || items.length < MANY_ITEMS) {
      const whole = bytesOf(beginning, items);
      response.writeHead(code, { ...headers, 'content-length': whole.length }).end(whole);
      return;
    }
    response.writeHead(code, headers).write(beginning);
    await setImmediate();
    response.end(bytesOf('', items));
  }
}

/**
 * A list's items behind what stands before them, each in a line of its own: so whoever passes them on need not look for
 * their ends. Written one by one, since one text of all of them would be made twice.
 */
function bytesOf(beginning: string, items: JsonItems | undefined): Buffer {
  if (items === undefined) return Buffer.from(beginning);
  const texts = [...items];
  const length = texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 2, Buffer.byteLength(beginning) + 3);
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = bytes.write(beginning);
  for (const [n, text] of texts.entries()) {
    at += bytes.write(n === 0 ? '\n' : ',\n', at);
    at += bytes.write(text, at);
  }
  at += bytes.write(texts.length === 0 ? ']}' : '\n]}', at);
  return bytes.subarray(0, at);
}

function bodyReader(request: IncomingMessage): ReadBody {
  return async (most) => {
    const parts: Buffer[] = [];
    let length = 0;
    // Whoever sends too much is still told so.
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > most) return undefined;
      parts.push(part);
    }
    return Buffer.concat(parts).toString('utf8');
  };
}

/** Of no two open connections the same. */
function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

function tlsOptions({ certificate, key }: KeyPair, { ca }: FrontProxy) {
  return {
    ...{ cert: certificate, key, ca },
    requestCert: true,
    // Refused in #serve instead, where the refusal can be a sentence.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2' as const,
    maxHeaderSize: MAX_HEADERS,
  };
}

const FORMS = [JSON_TYPE, TABLE_TYPE];

interface Sent extends Omit<Answer, 'table'> {
  readonly type: string;
}

function inForm(accept: string | undefined, document: Document): Sent {
  const type = negotiate(accept, [...document.keys()]) ?? '';
  const body = document.get(type);
  return body === undefined ? notAcceptable([...document.keys()]) : { code: 200, body, type };
}

function notAcceptable(offered: readonly string[]): Sent {
  return refusal(406, 'NotAcceptable', `only the following media types are accepted: ${offered.join(', ')}`);
}

function notAllowed(method: string): Sent {
  return refusal(405, 'MethodNotAllowed', `${method} is not allowed here; GET is`);
}

function refusal(code: number, reason: string, message: string): Sent {
  return { code, body: failure(code, reason, message), type: JSON_TYPE };
}
