import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Logger } from 'pino';
import type { KeyPair } from '../clusters/key-pair.ts';
import { failure } from '../kube/status.ts';
import type { Requester } from '../rbac/log-access.ts';
import { authenticate, type FrontProxy } from './front-proxy.ts';
import type { LogApi } from './log-api.ts';

/** Bytes of a request's headers and its first line, in which up to 250 names of clusters and a query can stand. */
const MAX_HEADERS = 64 * 1024;

/** What the aggregated API answers: a JSON object and its HTTP code. */
export interface Answer {
  readonly code: number;
  readonly body: object;
}

/** One of the groups that are served. */
export interface Api {
  /** The group's path, without a slash at its end. */
  readonly path: string;
  answer(method: string, target: string, requester: Requester, signal: AbortSignal): Promise<Answer>;
}

export interface AggregatedApiOptions {
  /** The last one answers what is nobody's. */
  readonly apis: readonly [...Api[], LogApi];
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
  #frontProxy: FrontProxy;

  constructor(options: AggregatedApiOptions) {
    this.#options = options;
    this.#frontProxy = options.frontProxy;
    this.server = createServer({ ...this.#tlsOptions(), maxHeaderSize: MAX_HEADERS }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        options.log.error({ err: error, path: request.url }, 'aggregated API request failed');
        const message = 'Internal error occurred: see the log of the manager';
        if (!response.headersSent) send(response, { code: 500, body: failure(500, 'InternalError', message) });
        else response.destroy();
      });
    });
  }

  /** Takes a new front-proxy configuration (a rotated CA) for the connections from now on. */
  setFrontProxy(frontProxy: FrontProxy): void {
    this.#frontProxy = frontProxy;
    this.server.setSecureContext(this.#tlsOptions());
  }

  #tlsOptions() {
    const { certificate } = this.#options;
    return {
      cert: certificate.certificate,
      key: certificate.key,
      ca: this.#frontProxy.ca,
      requestCert: true,
      // Refused in #serve instead, where the refusal can be a sentence.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2' as const,
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requester = authenticate(request, this.#frontProxy);
    if (requester === undefined) {
      send(response, { code: 401, body: failure(401, 'Unauthorized', 'only kube-apiserver is served here') });
      return;
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      const { method = '', url = '' } = request;
      const { apis } = this.#options;
      const api =
        apis.find(({ path }) => /^[/?]?$/.test(url.charAt(path.length)) && url.startsWith(path)) ?? apis.at(-1);
      send(response, await (api as Api).answer(method, url, requester, gone.signal));
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    }
  }
}

function send(response: ServerResponse, { code, body }: Answer): void {
  const text = JSON.stringify(body);
  response.writeHead(code, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
