import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import type { HostPort } from '../install/management.ts';

/**
 * Servers on the port, and connections that each keeps waiting. Node.js accepts one connection a server in each turn of
 * its loop: of thousands that dial at once those behind would have given up before it came to them, and then, as
 * everybody dials again and again, those ahead as well. So there are many servers, between which the kernel divides what
 * comes, and none lets more wait than it gets to within the seconds that whoever dials has.
 *
 * Only Linux divides them so.
 */
const [SERVERS, BACKLOG] = process.platform === 'linux' ? [16, 32] : [1, 511];

/** A port on which thousands may dial at once. */
export class ListeningPort {
  readonly #servers: readonly Server[];
  #port = 0;

  constructor(options: ServerOpts, onConnection: (socket: Socket) => void) {
    this.#servers = Array.from({ length: SERVERS }, () => createServer(options, onConnection));
  }

  get listening(): boolean {
    return this.#servers.every((server) => server.listening);
  }

  /** Where it listens. */
  get port(): number {
    return this.#port;
  }

  /** 0 is any port that is free. @throws Error EADDRINUSE */
  async listen({ host, port }: HostPort): Promise<void> {
    // A port may only be shared among ourselves: whoever asks for all of it is told when somebody has it already.
    const whole = createServer();
    await listen(whole, { host, port });
    this.#port = (whole.address() as AddressInfo).port;
    whole.close();
    await once(whole, 'close');
    const reusePort = SERVERS > 1;
    for (const server of this.#servers) await listen(server, { host, port: this.#port, backlog: BACKLOG, reusePort });
  }

  /** Stops listening; resolves when every connection is closed. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  }
}

async function listen(server: Server, options: Parameters<Server['listen']>[0] & object): Promise<void> {
  server.listen(options);
  // Rejects with its error.
  await once(server, 'listening');
}
