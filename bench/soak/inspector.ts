import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ServerProcess } from '../../testbed/processes.ts';

/** Flags in the environment with which a Node.js program lets an Inspector in, on loopback. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** The debugger's protocol with a program of Node.js, by the address that is in its log. */
export class Inspector {
  readonly #socket: WebSocket;
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async connect({ logFile }: ServerProcess): Promise<Inspector> {
    const [url] =
      readFileSync(logFile, 'utf8')
        .match(/ws:\/\/127\.0\.0\.1:\S+/g)
        ?.slice(-1) ?? [];
    if (url === undefined) throw new Error(`no debugger's address in ${logFile}`);
    const socket = new WebSocket(url);
    await once(socket, 'open');
    return new Inspector(socket);
  }

  /** Resolves with the answer's result. */
  async call(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#lastId;
    this.#socket.send(JSON.stringify({ id, method, params }));
    for (;;) {
      const [{ data }] = (await once(this.#socket, 'message')) as [MessageEvent];
      const answer = JSON.parse(String(data)) as { readonly id?: number; readonly result?: unknown };
      if (answer.id === id) return answer.result;
    }
  }

  close(): void {
    this.#socket.close();
  }
}
