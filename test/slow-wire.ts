import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Delay {
  readonly requests: number;
  readonly answers: number;
}

/** A TCP proxy that takes its time: what is on the wire when an end is gone is gone with it. */
export class SlowWire {
  readonly #server: Server;
  /** How often an end was gone while bytes to the server, or back to the client, were on the wire. */
  lostRequests = 0;
  lostAnswers = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param delay milliseconds that bytes take to the server and back. */
  static async start(target: string, delay: Delay): Promise<SlowWire> {
    const { hostname, port } = new URL(`tcp://${target}`);
    const server = createServer();
    const wire = new SlowWire(server);
    server.on('connection', (client) => wire.#join(client, connect(Number(port), hostname), delay));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
  }

  #join(client: Socket, server: Socket, delay: Delay): void {
    let [requests, answers] = [0, 0];
    client.on('data', (bytes) => {
      requests++;
      setTimeout(() => {
        requests--;
        if (!server.destroyed) server.write(bytes);
      }, delay.requests);
    });
    server.on('data', (bytes) => {
      answers++;
      setTimeout(() => {
        answers--;
        if (!client.destroyed) client.write(bytes);
      }, delay.answers);
    });
    for (const end of [client, server]) end.on('error', () => undefined);
    client.once('close', () => {
      if (requests > 0) this.lostRequests++;
      if (answers > 0) this.lostAnswers++;
      server.destroy();
    });
    server.once('close', () => setTimeout(() => client.destroy(), delay.answers));
  }
}
