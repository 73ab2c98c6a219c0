import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Another address of a port of this machine, at which those who come later can be turned away. */
export class ClosableProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Whether those who come now are turned away; who is connected stays. */
  closed = false;
  /** Connections that there ever were. */
  opened = 0;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      if (this.closed) near.destroy();
      else this.#join(near, connect(port, '127.0.0.1'));
    });
  }

  static async start(port: number): Promise<ClosableProxy> {
    const proxy = new ClosableProxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket, far: Socket): void {
    this.opened++;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      from.once('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
