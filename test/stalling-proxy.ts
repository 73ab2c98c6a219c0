import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy that can let everything wait, on the connections that there are and on new ones. */
export class StallingProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #stalled = false;

  private constructor(port: number) {
    this.#server = createServer((near) => this.#join(near, connect(port, '127.0.0.1')));
  }

  /** In front of a port of this machine, whether anybody listens there or not. */
  static async start(port: number): Promise<StallingProxy> {
    const proxy = new StallingProxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Lets everything wait, or go on. */
  stall(stalled: boolean): void {
    this.#stalled = stalled;
    for (const [near, far] of this.#pairs) {
      if (stalled) {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      } else {
        near.pipe(far).pipe(near);
      }
    }
  }

  stop(): void {
    this.#server.close();
    for (const pair of this.#pairs) for (const end of pair) end.destroy();
  }

  #join(near: Socket, far: Socket): void {
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const end of pair) {
      end.on('error', () => undefined);
      end.once('close', () => {
        this.#pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
    if (!this.#stalled) near.pipe(far).pipe(near);
  }
}
