import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a front is asked for. */
export interface FrontRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** A server that is put before Elasticsearch, and refuses what it is told to as such a server does: in words of its own. */
export class ElasticsearchFront {
  readonly #server: Server;
  /** Answered 401. */
  refuses: (asked: FrontRequest) => boolean = () => false;

  private constructor(port: number) {
    this.#server = createServer((incoming, response) => {
      this.#answer(incoming, response, port).catch(() => response.destroy());
    });
    // As Elasticsearch does it: a connection that nobody uses stays open.
    this.#server.keepAliveTimeout = 0;
  }

  /** In front of a port of this machine, whether anybody listens there or not. */
  static async start(port: number): Promise<ElasticsearchFront> {
    const front = new ElasticsearchFront(port);
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve));
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close().closeAllConnections();
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse, port: number): Promise<void> {
    const { method = '', url: path = '' } = incoming;
    const body = Buffer.concat(await incoming.toArray());
    if (this.refuses({ method, path, body: body.toString() })) {
      response.writeHead(401, { 'content-type': 'text/html', 'www-authenticate': 'Basic realm="logs"' });
      response.end('<html><head><title>401 Authorization Required</title></head></html>');
      return;
    }
    passOn(incoming, response, `http://127.0.0.1:${port}`).end(body);
  }
}

/**
 * Passes a request on to Elasticsearch but for its body, which the caller writes, and the answer back. What is said of a
 * connection is of that one alone: Elasticsearch closes where it is asked to without a word of it, and the next request
 * there would fail.
 */
export function passOn(incoming: IncomingMessage, response: ServerResponse, elasticsearchUrl: string): ClientRequest {
  const { method, url = '' } = incoming;
  const { connection: _, ...headers } = incoming.headers;
  const passed = request(new URL(url, elasticsearchUrl), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 0, answer.headers);
    answer.pipe(response);
  });
  return passed.once('error', () => response.destroy());
}
