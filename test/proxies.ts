import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, request, type Server } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createKeyPair, daysFromNow, type KeyPair } from '../src/clusters/key-pair.ts';
import { KubeClient, type KubeClientOptions } from '../src/kube/client.ts';
import { loadKubeContext } from '../src/kube/kubeconfig.ts';
import { type ClusterFacts, userKeys } from '../testbed/kubernetes/cluster.ts';
import type { Workbench } from '../testbed/testbed.ts';

/** The management cluster's API server as its administrator, if by another way than directly. */
export function adminClient(workbench: Workbench, options?: KubeClientOptions & { readonly url?: string }): KubeClient {
  const { kubeconfig } = workbench.facts;
  return new KubeClient(loadKubeContext({ kubeconfig, server: options?.url }, {}), options);
}

/**
 * A way to a real API server on which single requests can get lost. It speaks as the server itself; who brings no token
 * comes as administrator.
 */
export class ApiProxy {
  readonly #server: Server;
  readonly #upstream: ClusterFacts;
  readonly #admin: KeyPair;
  readonly #lost = new Set<RegExp>();
  readonly #unanswered = new Set<RegExp>();
  readonly #refused = new Map<RegExp, number>();
  readonly #answers = new Map<RegExp, object>();
  /** Every request that came, as `METHOD URL`. */
  readonly requests: string[] = [];
  /** What becomes of a URL on the way. */
  rewrite: (url: string) => string = (url) => url;

  private constructor(upstream: ClusterFacts, server: KeyPair, admin: KeyPair) {
    this.#upstream = upstream;
    this.#admin = admin;
    this.#server = createServer({ cert: server.certificate, key: server.key }, (incoming, response) =>
      this.#pass(incoming, response),
    );
  }

  static async start(upstream: ClusterFacts): Promise<ApiProxy> {
    const names = { commonName: 'kube-apiserver', ipAddresses: ['127.0.0.1'] };
    const server = await createKeyPair({ ...names, usages: ['server'], notAfter: daysFromNow(1) }, upstream.ca);
    const admin = await userKeys(upstream, { name: 'admin', groups: ['system:masters'] });
    const proxy = new ApiProxy(upstream, server, admin);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Loses requests that match (`METHOD URL`), until the function it returns is called: they are never answered. */
  lose(matches: RegExp): () => void {
    this.#lost.add(matches);
    return () => this.#lost.delete(matches);
  }

  /** The same for answers: what matches is done, and nobody is told. */
  loseAnswers(matches: RegExp): void {
    this.#unanswered.add(matches);
  }

  /** Answers what matches as an API server that is overloaded does, until the function it returns is called. */
  refuse(matches: RegExp, code: number): () => void {
    this.#refused.set(matches, code);
    return () => this.#refused.delete(matches);
  }

  /** Answers what matches with this, as an API server that is otherwise. */
  answer(matches: RegExp, body: object): void {
    this.#answers.set(matches, body);
  }

  /** Cuts every connection there is. */
  reset(): void {
    this.#server.closeAllConnections();
  }

  stop(): void {
    this.#server.close().closeAllConnections();
  }

  #pass(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = incoming;
    this.requests.push(`${method} ${url}`);
    if ([...this.#lost].some((matches) => matches.test(`${method} ${url}`))) return;
    const [, refusal] = [...this.#refused].find(([matches]) => matches.test(`${method} ${url}`)) ?? [];
    if (refusal !== undefined) {
      response.writeHead(refusal, { 'content-type': 'text/plain', 'retry-after': '1' }).end('Please try again later.');
      return;
    }
    const [, own] = [...this.#answers].find(([matches]) => matches.test(`${method} ${url}`)) ?? [];
    if (own !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(own));
      return;
    }
    const { ca, url: origin } = this.#upstream;
    const { certificate: cert, key } = this.#admin;
    const identity = headers.authorization === undefined ? { cert, key } : {};
    const options = { method, headers, ca: ca.certificate, agent: false, ...identity };
    const passed = request(new URL(this.rewrite(url), origin), options, (answer) => {
      if ([...this.#unanswered].some((matches) => matches.test(`${method} ${url}`))) return;
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    passed.once('error', () => response.destroy());
    response.once('close', () => passed.destroy());
    incoming.pipe(passed);
  }
}

/** A way to a server on which connections can die without anybody being told, as when a firewall forgets them. */
export class TcpProxy {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #cut = false;
  readonly #server = createTcpServer((near) => {
    if (this.#cut) {
      this.#sockets.add(near.on('error', () => undefined));
      return;
    }
    const far = connect(this.#port, '127.0.0.1');
    near.pipe(far);
    far.pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => this.#sockets.delete(socket));
    }
  });

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing more passes on the connections there are. New ones are as good as ever. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** The same for new ones, until it is mended: they connect, and nothing comes of it. */
  cut(): void {
    this.#cut = true;
    this.freeze();
  }

  mend(): void {
    this.#cut = false;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

export interface ConnectProxyOptions {
  /** `USER:PASSWORD` that it wants. */
  readonly credentials?: string;
  /** What it answers instead of connecting. */
  readonly refusal?: number;
  /** Speaks TLS with these. */
  readonly keys?: KeyPair;
}

/** An HTTP proxy that passes CONNECT on to one port of this machine, whatever the target's name. */
export class ConnectProxy {
  readonly #server: HttpServer;
  readonly #sockets = new Set<Socket>();
  /** What it was asked to connect to. */
  readonly targets: string[] = [];

  private constructor(port: number, { credentials, refusal, keys }: ConnectProxyOptions) {
    this.#server = keys === undefined ? createHttpServer() : createServer({ cert: keys.certificate, key: keys.key });
    const wanted = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    this.#server.on('connection', (socket) => this.#sockets.add(socket));
    this.#server.on('connect', ({ url = '', headers }: IncomingMessage, near: Duplex) => {
      this.targets.push(url);
      near.on('error', () => undefined);
      const answer = headers['proxy-authorization'] === wanted ? (refusal ?? 200) : 407;
      near.write(`HTTP/1.1 ${answer} Whatever\r\n\r\n`);
      if (answer !== 200) {
        near.end();
        return;
      }
      const far = connect(port, '127.0.0.1');
      this.#sockets.add(far);
      far.on('error', () => near.destroy()).once('close', () => near.destroy());
      near.once('close', () => far.destroy());
      near.pipe(far).pipe(near);
    });
  }

  static async start(port: number, options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(port, options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resets every connection there is. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  stop(): void {
    this.#server.close();
    this.reset();
  }
}
