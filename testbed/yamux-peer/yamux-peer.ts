import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cached } from '../cache.ts';
import { mustRun } from '../processes.ts';

const SOURCE = import.meta.dirname;

/** What the peer answers to a command; main.go has the commands. */
export interface PeerAnswer {
  readonly error?: string;
  readonly stream: number;
  readonly size: number;
  readonly sha256: string;
  readonly eof: boolean;
  readonly seconds: number;
  readonly streams: number;
  readonly closed: boolean;
}

/** The real hashicorp/yamux, in a process of its own, on one end of a TCP connection; the other end is the test's. */
export class YamuxPeer {
  /** Our end. */
  readonly socket: Socket;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: PeerAnswer) => void>();
  #lastId = 0;
  #log = '';

  private constructor(socket: Socket, child: ChildProcess) {
    this.socket = socket;
    this.#child = child;
    if (child.stdout === null || child.stderr === null) throw new Error('the peer has no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as PeerAnswer & { readonly id: number };
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
  }

  /** Starts a peer of that role with main.go's other flags, and waits until it has connected. */
  static async start(role: 'client' | 'server', flags: readonly string[] = []): Promise<YamuxPeer> {
    const program = await build();
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const child = spawn(program, ['-dial', `127.0.0.1:${port}`, '-role', role, ...flags], { stdio: 'pipe' });
    const [socket] = (await once(server, 'connection')) as [Socket];
    server.close();
    return new YamuxPeer(socket, child);
  }

  /** What it logged. */
  get log(): string {
    return this.#log;
  }

  /** Gives it a command; resolves with its answer, which may hold an error. */
  async ask(op: string, parameters: Readonly<Record<string, number>> = {}): Promise<PeerAnswer> {
    const id = ++this.#lastId;
    const answered = new Promise<PeerAnswer>((resolve) => this.#waiting.set(id, resolve));
    this.#child.stdin?.write(`${JSON.stringify({ id, op, ...parameters })}\n`);
    return await answered;
  }

  /** The same, for a command that must succeed. */
  async must(op: string, parameters: Readonly<Record<string, number>> = {}): Promise<PeerAnswer> {
    const answer = await this.ask(op, parameters);
    if (answer.error !== undefined) throw new Error(`${op}: ${answer.error}`);
    return answer;
  }

  /** Ends it without a word, as a crash would. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal);
    if (signal === 'SIGKILL') this.socket.destroy();
  }
}

async function build(): Promise<string> {
  const inputs = ['main.go', 'go.mod', 'go.sum'].map((file) => readFileSync(join(SOURCE, file)));
  const folder = await cached('yamux-peer', inputs, async (target) => {
    const output = join(target, 'yamux-peer');
    await mustRun('go', ['build', '-o', output, '.'], { cwd: SOURCE, env: { ...process.env, CGO_ENABLED: '0' } });
  });
  return join(folder, 'yamux-peer');
}
