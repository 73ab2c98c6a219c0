import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly length: number;
  readonly body: Buffer;
}

/** A frame's bytes. `content` is a data frame's body, or what stands in the length field. */
export function rawFrame(type: number, flags: number, stream: number, content: number | Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(type, 1);
  header.writeUInt16BE(flags, 2);
  header.writeUInt32BE(stream, 4);
  header.writeUInt32BE(typeof content === 'number' ? content : content.length, 8);
  return typeof content === 'number' ? header : Buffer.concat([header, content]);
}

/**
 * A peer that is nothing but bytes, for what no real yamux would say. It has a TCP connection, knows no rules, and keeps
 * what comes.
 */
export class RawPeer {
  /** The other end, for the session under test. */
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  /** Our end. */
  readonly own: Socket;
  #unparsed = Buffer.alloc(0);
  #ended = false;

  private constructor(own: Socket, socket: Socket) {
    this.own = own;
    this.socket = socket;
    own.on('data', (chunk: Buffer) => this.#parse(chunk));
    own.on('error', () => undefined);
    own.on('close', () => {
      this.#ended = true;
    });
  }

  static async start(): Promise<RawPeer> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const own = createConnection({ host: '127.0.0.1', port, noDelay: true });
    const [socket] = (await once(server, 'connection')) as [Socket];
    server.close();
    return new RawPeer(own, socket);
  }

  /** Whether the connection is closed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Sends bytes as they are: resolves when they are with the other end's system. */
  async send(...parts: readonly Buffer[]): Promise<void> {
    await new Promise<void>((resolve) => this.own.write(Buffer.concat(parts), () => resolve()));
  }

  /** Sends bytes written in hexadecimal, with spaces as one likes. */
  async sendHex(hex: string): Promise<void> {
    await this.send(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  }

  /** Takes the frames that came so far, each header in hexadecimal as `00 01 0001 00000001 00000000`. */
  takeHex(): string[] {
    return this.frames.splice(0).map(({ type, flags, stream, length }) => {
      const hex = rawFrame(type, flags, stream, length).toString('hex');
      return [hex.slice(0, 2), hex.slice(2, 4), hex.slice(4, 8), hex.slice(8, 16), hex.slice(16)].join(' ');
    });
  }

  close(): void {
    this.own.destroy();
  }

  /** Stops reading, as a peer whose process hangs does. */
  pause(): void {
    this.own.pause();
  }

  #parse(chunk: Buffer): void {
    this.#unparsed = Buffer.concat([this.#unparsed, chunk]);
    while (this.#unparsed.length >= 12) {
      const type = this.#unparsed.readUInt8(1);
      const length = this.#unparsed.readUInt32BE(8);
      const end = 12 + (type === 0 ? length : 0);
      if (this.#unparsed.length < end) return;
      this.frames.push({
        type,
        flags: this.#unparsed.readUInt16BE(2),
        stream: this.#unparsed.readUInt32BE(4),
        length,
        body: this.#unparsed.subarray(12, end),
      });
      this.#unparsed = this.#unparsed.subarray(end);
    }
  }
}
