import { Duplex } from 'node:stream';
import { FLAG, INITIAL_WINDOW, ProtocolError, TYPE } from './frame.ts';
import type { ReceiveWindow } from './receive-window.ts';

/** What a stream asks of its session. */
export interface StreamOwner {
  /** Milliseconds, see SessionConfig. */
  readonly closeTimeout: number;
  /** Sends a frame without a body. */
  control(type: number, flags: number, streamId: number, length: number): void;
  /** Lets the peer send that much more. */
  grant(streamId: number, credit: number): void;
  /** Whether the stream may give its reader a piece now; otherwise it is asked for one later, by `passPiece`. */
  mayPass(stream: YamuxStream): boolean;
  /** The stream gave its reader so many bytes. */
  passed(bytes: number): void;
  /** The stream has data, and the peer's leave to send it. */
  ready(stream: YamuxStream): void;
  /** The stream is over: nothing will be sent or received on it. */
  forget(stream: YamuxStream): void;
}

/** What is copied together has blocks of this size. */
const BLOCK = 16 * 1024;

const MAX_WINDOW = 0xffff_ffff;

/**
 * One stream of a session: an ordinary Duplex with half-close. What it holds unread is bounded by its receive window;
 * what it may send, by its peer's. It is open until both halves have ended and what came in is read, or it is destroyed.
 */
export class YamuxStream extends Duplex {
  readonly id: number;
  readonly #owner: StreamOwner;
  readonly #window: ReceiveWindow;
  #unread: Buffer[] = [];
  /** Bytes used of the last of #unread, where that is a block that pieces are copied into; 0 otherwise. */
  #fill = 0;
  #wanted = false;
  #remoteEnded = false;
  #endGiven = false;
  #localEnded = false;
  #reset = false;
  #sendWindow = INITIAL_WINDOW;
  #unsent: Buffer[] = [];
  /** Tells the writer that #unsent is sent. */
  #written: ((error?: Error | null) => void) | undefined;
  /** Told once when the peer has accepted it, or it is over. */
  #settled: (() => void) | undefined;
  #openTimer: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(owner: StreamOwner, id: number, window: ReceiveWindow) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.id = id;
    this.#owner = owner;
    this.#window = window;
    // A peer may reset a stream at any moment, also one that nobody has taken up yet: that must not end the process.
    this.on('error', () => undefined);
  }

  /** Whether the peer has still to accept it. */
  get pending(): boolean {
    return this.#settled !== undefined;
  }

  /** Whether the peer has ended its half. */
  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  /** Whether takeBody would give something. */
  get sendable(): boolean {
    return this.#unsent.length > 0 && this.#sendWindow > 0;
  }

  // What net.Socket has and its users (TLS, HTTP) call; a stream has no timers and no Nagle of its own.
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(_milliseconds: number, _callback?: () => void): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  /** Waits for the peer to accept it; `settled` is called once when that is decided. */
  awaitAccept(timeout: number, settled: () => void): void {
    this.#settled = settled;
    this.#openTimer = setTimeout(() => {
      this.destroy(new Error(`the peer did not accept the stream within ${timeout / 1000} s`));
    }, timeout).unref();
  }

  /** A frame for this stream came in; of a data frame, its body follows. @throws ProtocolError */
  onFrame(type: number, flags: number, length: number): void {
    if ((flags & FLAG.rst) !== 0) {
      this.#reset = true;
      this.destroy(new Error('the peer reset the stream'));
      return;
    }
    // Any frame, not the ACK alone: hashicorp's yamux sends none for a stream that we ended before it was accepted.
    this.#settle();
    const ends = (flags & FLAG.fin) !== 0;
    if (ends && this.#remoteEnded) throw new ProtocolError('a stream ended twice');
    if (type === TYPE.windowUpdate) this.#mayWrite(length);
    else if (!this.#remoteEnded && !this.#window.receive(length)) {
      throw new ProtocolError('more data came than the window allows');
    }
    // The end in a data frame comes after its body.
    if (ends && (type === TYPE.windowUpdate || length === 0)) this.onRemoteEnd();
  }

  onBody(piece: Buffer): void {
    if (this.destroyed) return;
    if (this.#localEnded) this.#closeTimer?.refresh();
    if (this.#wanted && this.#unread.length === 0 && this.#owner.mayPass(this)) this.#give(piece);
    else this.#hold(piece);
  }

  onRemoteEnd(): void {
    this.#remoteEnded = true;
    this.#giveEnd();
  }

  /** Takes what may be sent now, at most `quantum` bytes: the body of one data frame. */
  takeBody(quantum: number): readonly Buffer[] {
    const parts: Buffer[] = [];
    let room = Math.min(quantum, this.#sendWindow);
    while (room > 0) {
      const [first] = this.#unsent;
      if (first === undefined) break;
      const part = first.length <= room ? first : first.subarray(0, room);
      parts.push(part);
      room -= part.length;
      this.#sendWindow -= part.length;
      if (part === first) this.#unsent.shift();
      else this.#unsent[0] = first.subarray(part.length);
    }
    return parts;
  }

  /** What takeBody gave is on its way; lets the writer go on when that was all. */
  onSent(): void {
    if (this.#unsent.length > 0) return;
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }

  override _read(): void {
    this.#wanted = true;
    while (this.#wanted && this.#unread.length > 0 && this.#owner.mayPass(this)) this.#give(this.#next());
    this.#giveEnd();
  }

  /** Gives one piece to whoever reads, if anybody does; says whether there is more for them. */
  passPiece(): boolean {
    if (this.#wanted && this.#unread.length > 0) this.#give(this.#next());
    this.#giveEnd();
    return this.#wanted && this.#unread.length > 0;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#send([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#localEnded = true;
    this.#owner.control(TYPE.windowUpdate, FLAG.fin, this.id, 0);
    const { closeTimeout } = this.#owner;
    this.#closeTimer = setTimeout(() => {
      const why = this.#remoteEnded
        ? 'nobody read the rest of the stream'
        : 'the peer did not end its half of the stream';
      this.destroy(new Error(`${why} within ${closeTimeout / 1000} s`));
    }, closeTimeout).unref();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const over = this.#reset || (this.#remoteEnded && this.#localEnded);
    if (!over) this.#owner.control(TYPE.windowUpdate, FLAG.rst, this.id, 0);
    this.#settle();
    clearTimeout(this.#closeTimer);
    this.#unread = [];
    this.#unsent = [];
    this.#window.release();
    this.#owner.forget(this);
    const written = this.#written;
    this.#written = undefined;
    written?.(error ?? new Error('the stream was destroyed'));
    callback(error);
  }

  #settle(): void {
    if (this.#settled === undefined) return;
    clearTimeout(this.#openTimer);
    const settled = this.#settled;
    this.#settled = undefined;
    settled();
  }

  #mayWrite(credit: number): void {
    this.#sendWindow += credit;
    if (this.#sendWindow > MAX_WINDOW) throw new ProtocolError('a window grew beyond 4 GiB');
    if (this.sendable) this.#owner.ready(this);
  }

  #send(chunks: readonly Buffer[], callback: (error?: Error | null) => void): void {
    for (const chunk of chunks) if (chunk.length > 0) this.#unsent.push(chunk);
    if (this.#unsent.length === 0) {
      callback();
      return;
    }
    this.#written = callback;
    if (this.sendable) this.#owner.ready(this);
  }

  /**
   * Keeps a piece until somebody reads. One that is but a small part of the chunk it came in is copied: otherwise each
   * byte of the window could hold many bytes of memory.
   */
  #hold(piece: Buffer): void {
    const last = this.#unread.at(-1);
    if (piece.length * 2 >= piece.buffer.byteLength) {
      this.#seal();
      this.#unread.push(piece);
    } else if (this.#fill > 0 && last !== undefined && last.length - this.#fill >= piece.length) {
      this.#fill += piece.copy(last, this.#fill);
    } else {
      this.#seal();
      const block = Buffer.allocUnsafeSlow(Math.max(BLOCK, piece.length));
      this.#fill = piece.copy(block);
      this.#unread.push(block);
    }
  }

  /** Ends the block that pieces are copied into. */
  #seal(): void {
    const last = this.#unread.at(-1);
    if (this.#fill > 0 && last !== undefined) this.#unread[this.#unread.length - 1] = last.subarray(0, this.#fill);
    this.#fill = 0;
  }

  #next(): Buffer {
    if (this.#unread.length === 1) this.#seal();
    return this.#unread.shift() as Buffer;
  }

  #giveEnd(): void {
    if (!this.#remoteEnded || this.#unread.length > 0 || this.#endGiven) return;
    this.#endGiven = true;
    this.push(null);
  }

  #give(piece: Buffer): void {
    this.#owner.passed(piece.length);
    if (!this.push(piece)) this.#wanted = false;
    // No credit for a stream that has ended: the peer would take it for a frame of a stream it no longer knows.
    if (this.#remoteEnded || this.destroyed) return;
    const credit = this.#window.consume(piece.length, performance.now());
    if (credit > 0) this.#owner.grant(this.id, credit);
  }
}
