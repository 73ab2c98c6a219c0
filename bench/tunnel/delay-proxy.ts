import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** Forwards to a port of this machine, each chunk `delay` milliseconds late in either direction. */
export class DelayProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number, delay: number) {
    this.#server = createServer({ noDelay: true }, (client) => {
      const server = createConnection({ host: '127.0.0.1', port: target, noDelay: true });
      this.#forward(client, server, delay);
      this.#forward(server, client, delay);
    });
  }

  static async start(target: number, delay: number): Promise<DelayProxy> {
    const proxy = new DelayProxy(target, delay);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #forward(from: Socket, to: Socket, delay: number): void {
    this.#sockets.add(from);
    from.on('data', (chunk: Buffer) => setTimeout(() => to.write(chunk), delay));
    from.on('error', () => undefined);
    from.on('close', () => setTimeout(() => to.destroy(), delay));
  }
}
