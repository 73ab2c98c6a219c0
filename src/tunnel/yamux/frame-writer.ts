import type { Duplex } from 'node:stream';
import { encodeHeader, TYPE } from './frame.ts';
import type { YamuxStream } from './stream.ts';

/** Bytes of one stream that go out before another has its turn. */
const QUANTUM = 64 * 1024;

/** Bytes that may wait in the connection for the peer to read, before data waits in its streams. */
const HIGH_WATER = 512 * 1024;

/** Bytes of control frames that may wait beyond, for a peer that asks and does not read the answers. */
const MOST_CONTROL = 1024 * 1024;

/** Puts frames onto the connection: control frames first, then the data of the streams, which take turns. */
export class FrameWriter {
  readonly #connection: Duplex;
  readonly #onStuck: () => void;
  readonly #ready = new Set<YamuxStream>();
  #control: Buffer[] = [];
  #scheduled = false;
  #closed = false;
  #bytes = 0;

  /** `onStuck` is called when the peer makes us answer and does not read. */
  constructor(connection: Duplex, onStuck: () => void) {
    this.#connection = connection;
    this.#onStuck = onStuck;
    connection.on('drain', () => this.#flush());
  }

  /** Written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sends a frame without a body. */
  control(type: number, flags: number, streamId: number, length: number): void {
    if (this.#closed) return;
    this.#control.push(encodeHeader(type, flags, streamId, length));
    this.#schedule();
  }

  /** The stream has data, and the peer's leave to send it. */
  ready(stream: YamuxStream): void {
    if (this.#closed) return;
    this.#ready.add(stream);
    this.#schedule();
  }

  forget(stream: YamuxStream): void {
    this.#ready.delete(stream);
  }

  /** Sends nothing more. */
  close(): void {
    this.#closed = true;
    this.#ready.clear();
    this.#control = [];
  }

  /** All that one turn of the event loop has to say goes out at once: in few TLS records instead of many. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed) return;
    this.#connection.cork();
    this.#writeControl();
    this.#writeData();
    this.#connection.uncork();
    if (this.#connection.writableLength > HIGH_WATER + MOST_CONTROL) this.#onStuck();
  }

  #writeControl(): void {
    const frames = this.#control;
    if (frames.length === 0) return;
    this.#control = [];
    this.#write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
  }

  #writeData(): void {
    for (const stream of this.#ready) {
      if (this.#closed || this.#connection.writableLength >= HIGH_WATER) return;
      this.#ready.delete(stream);
      const body = stream.takeBody(QUANTUM);
      if (body.length === 0) continue;
      let length = 0;
      for (const part of body) length += part.length;
      this.#write(encodeHeader(TYPE.data, 0, stream.id, length));
      for (const part of body) this.#write(part);
      // To the end of the queue.
      if (stream.sendable) this.#ready.add(stream);
      else stream.onSent();
    }
  }

  #write(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#connection.write(bytes);
  }
}
