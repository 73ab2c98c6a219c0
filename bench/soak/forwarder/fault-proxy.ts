import { once } from 'node:events';
import {
  createServer,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import type { Random } from '../../../fixtures/random.ts';
import type { KeyPair } from '../../../src/clusters/key-pair.ts';
import { FaultDeck } from './fault-deck.ts';

/** An answer, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What stands behind a proxy, and how it is spoken to. */
export interface Upstream {
  /** `http(s)://HOST:PORT`. */
  readonly url: string;
  /** With which certificate, and which one is trusted; PEM. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string; readonly servername: string };
}

/** What goes wrong with one request. */
export type Fault = (exchange: Exchange, random: Random) => Promise<void>;

export interface FaultProxyOptions {
  readonly upstream: Upstream;
  /** Speaks TLS with these. */
  readonly keys?: KeyPair;
  readonly faults: Readonly<Record<string, Fault>>;
  /** Whether something may go wrong with requests to that path; others are passed on as they are. */
  readonly mayFail: (path: string) => boolean;
  /** What becomes of every answer on its way. */
  readonly alter?: (answer: Answer, random: Random) => Answer;
}

/**
 * Stands before a real server and lets things go wrong: it withholds requests, breaks them off, and alters or loses
 * answers. What it says in the server's stead is only that nothing was done, and then nothing was.
 */
export class FaultProxy {
  readonly #options: FaultProxyOptions;
  readonly #server: Server;
  readonly #agent: HttpAgent;
  #deck: FaultDeck;
  #random: Random;
  #stalled = new AbortController();
  /** How many want nothing to go wrong for now. */
  #calm = 0;

  private constructor(options: FaultProxyOptions, random: Random) {
    const { keys, upstream, faults } = options;
    this.#options = options;
    this.#random = random;
    this.#deck = new FaultDeck(Object.keys(faults), random, 0);
    this.#agent = upstream.tls === undefined ? new HttpAgent({ keepAlive: true }) : new HttpsAgent({ keepAlive: true });
    this.#server = keys === undefined ? createServer() : createTlsServer({ cert: keys.certificate, key: keys.key });
    this.#server.on('request', (request, response) => void this.#take(request, response));
  }

  static async start(options: FaultProxyOptions, random: Random): Promise<FaultProxy> {
    const proxy = new FaultProxy(options, random);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often each fault has been made since `disturb`. */
  get made(): Readonly<Record<string, number>> {
    return this.#deck.dealt;
  }

  /** From now on something goes wrong with such a part of the requests. */
  disturb(rate: number, random: Random): void {
    this.#random = random;
    this.#deck = new FaultDeck(Object.keys(this.#options.faults), random, rate);
    this.#stalled = new AbortController();
  }

  /** Nothing new goes wrong while that is done. */
  async calm<T>(work: () => Promise<T>): Promise<T> {
    this.#calm++;
    try {
      return await work();
    } finally {
      this.#calm--;
    }
  }

  /** Nothing goes wrong any more; what was never answered is cut now, unless its sender is to give it up by itself. */
  heal({ cutStalled }: { readonly cutStalled: boolean }): void {
    this.#deck.stop();
    if (cutStalled) this.#stalled.abort();
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  async #take(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { upstream, mayFail, alter, faults } = this.#options;
    const random = this.#random;
    const altered = (answer: Answer) => alter?.(answer, random) ?? answer;
    try {
      const body = await buffer(incoming);
      const exchange = new Exchange({
        ...{ incoming, response, body, upstream, agent: this.#agent },
        ...{ altered, stalled: this.#stalled.signal },
      });
      const fault = mayFail(exchange.path) && this.#calm === 0 ? faults[this.#deck.next() ?? ''] : undefined;
      if (fault === undefined) exchange.answer(await exchange.pass());
      else await fault(exchange, random);
    } catch {
      // Whoever went away, the other end sees it go.
      response.destroy();
    }
  }
}

interface ExchangeOptions {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly upstream: Upstream;
  readonly agent: HttpAgent;
  readonly altered: (answer: Answer) => Answer;
  readonly stalled: AbortSignal;
}

/** One request that has come whole, and what can be done with it. */
export class Exchange {
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.incoming.url ?? '';
  }

  /** The request's body, unpacked. */
  get body(): Buffer {
    const { incoming, body } = this.#options;
    return incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
  }

  /** Passes it on, and resolves with the server's answer. @throws Error when there is none. */
  async pass(body?: Buffer): Promise<Answer> {
    const sent = body ?? this.#options.body;
    const request = this.#send(body === undefined ? {} : { 'content-encoding': 'identity' }, sent.length);
    request.end(sent);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const headers = Object.entries(response.headers).filter(([name]) => !HOP_BY_HOP.has(name));
    const answer = {
      status: response.statusCode ?? 0,
      headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
      body: await buffer(response),
    };
    return this.#options.altered(answer);
  }

  /** Passes half of it on and then nothing more, as a connection does that breaks. */
  async passHalf(): Promise<void> {
    const { body } = this.#options;
    const request = this.#send({}, body.length);
    await new Promise<void>((resolve) => {
      request.once('close', resolve).once('error', () => undefined);
      request.write(body.subarray(0, Math.floor(body.length / 2)), () => request.destroy());
    });
  }

  answer({ status, headers, body }: Answer): void {
    this.#options.response.writeHead(status, { ...headers, 'content-length': body.length }).end(body);
  }

  /** As much of an answer as comes through before the connection breaks. */
  answerHalf({ status, headers, body }: Answer): void {
    const { response } = this.#options;
    response.writeHead(status, { ...headers, 'content-length': body.length });
    response.write(body.subarray(0, Math.floor(body.length / 2)), () => this.cut());
  }

  cut(): void {
    const { socket } = this.#options.response;
    // Below TLS nothing can be reset from here.
    if (socket instanceof TLSSocket) socket.destroy();
    else socket?.resetAndDestroy();
  }

  /** Waits until the sender has given up, or stalled connections are cut. */
  async stall(): Promise<void> {
    const { response, stalled } = this.#options;
    if (!stalled.aborted && !response.destroyed) {
      await Promise.race([once(response, 'close'), once(stalled, 'abort')]);
    }
    this.cut();
  }

  #send(changed: Readonly<Record<string, string>>, length: number) {
    const { incoming, upstream, agent } = this.#options;
    const send = upstream.tls === undefined ? httpRequest : httpsRequest;
    const { 'transfer-encoding': _chunked, ...sent } = incoming.headers;
    const headers = { ...sent, ...changed, 'accept-encoding': 'identity', 'content-length': length };
    return send(new URL(this.path, upstream.url), { method: incoming.method, headers, agent, ...upstream.tls });
  }
}

const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);
