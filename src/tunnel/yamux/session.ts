import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { type SessionConfig, sessionDefaults, verifyConfig } from './config.ts';
import { encodeHeader, FLAG, GO_AWAY, ProtocolError, TYPE } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { Pings } from './pings.ts';
import { ReceiveWindow } from './receive-window.ts';
import { type StreamOwner, YamuxStream } from './stream.ts';
import { Throttle } from './throttle.ts';

/** Milliseconds that the reason for closing has to get out to a peer that may not read. */
const LAST_WORDS_TIMEOUT = 1_000;

/** The last id a stream of ours may have; beyond, the session has to be replaced. */
const LAST_ID = 0xffff_fff0;

/** What a session counts. */
export interface SessionCounts {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly streamsOpened: number;
  readonly streamsAccepted: number;
  /** Streams of the peer's that were reset because there were too many. */
  readonly streamsRefused: number;
  /** Bytes that came for streams that are over. */
  readonly bytesDropped: number;
}

interface Events {
  /** The peer opened a stream. */
  stream: [stream: YamuxStream];
  /** The peer opened one stream too many. */
  refused: [];
  /** What the peer sent has to wait, since it is more than its rate. */
  throttled: [milliseconds: number];
  /** The peer accepts no more streams. */
  goAway: [];
  /** The session is over, with the reason why. */
  close: [reason: Error];
}

/**
 * yamux over any Duplex: many streams in one connection. The connection is always read; what a stream's reader does not
 * take stays within that stream's window, so that one slow reader holds nobody else up (nor the peer's pings).
 */
export class YamuxSession extends EventEmitter<Events> {
  readonly #connection: Duplex;
  readonly #config: SessionConfig;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #pings: Pings;
  readonly #throttle: Throttle | undefined;
  /** Both sides' streams that are not over. */
  readonly #streams = new Map<number, YamuxStream>();
  readonly #owner: StreamOwner;
  readonly #counts = { bytesIn: 0, streamsOpened: 0, streamsAccepted: 0, streamsRefused: 0, bytesDropped: 0 };
  #nextId: number;
  #ourStreams = 0;
  #pendingOpens = 0;
  #peerGone = false;
  #lastReceived = performance.now();
  #closed: Error | undefined;
  /** The stream that the body of the current data frame is for; undefined when that is over. */
  #bodyOf: YamuxStream | undefined;
  #bodyEnds = false;

  /** @throws RangeError for a configuration that cannot work. */
  constructor(connection: Duplex, config: Partial<SessionConfig> & Pick<SessionConfig, 'role'>) {
    super();
    this.#config = { ...sessionDefaults(), ...config };
    verifyConfig(this.#config);
    this.#connection = connection;
    this.#nextId = config.role === 'client' ? 1 : 2;
    this.#reader = new FrameReader({
      onFrame: (type, flags, streamId, length) => this.#onFrame(type, flags, streamId, length),
      onBody: (piece, last) => this.#onBody(piece, last),
    });
    const writer = new FrameWriter(connection, () =>
      this.#end(new Error('the peer asks and does not read the answers')),
    );
    this.#writer = writer;
    this.#pings = new Pings((flags, value) => writer.control(TYPE.ping, flags, 0, value), this.#config.answerPing);
    const { rate } = this.#config;
    this.#throttle = rate && new Throttle(rate, (milliseconds) => this.emit('throttled', milliseconds));
    this.#owner = {
      closeTimeout: this.#config.closeTimeout,
      control: (type, flags, streamId, length) => writer.control(type, flags, streamId, length),
      grant: (streamId, credit) => {
        writer.control(TYPE.windowUpdate, 0, streamId, credit);
        this.#pings.measure();
      },
      mayPass: (stream) => this.#throttle?.mayPass(stream) ?? true,
      passed: (bytes) => this.#throttle?.passed(bytes),
      ready: (stream) => writer.ready(stream),
      forget: (stream) => this.#forget(stream),
    };
    connection.on('data', (chunk: Buffer) => this.#onData(chunk));
    connection.on('end', () => this.#onEnd());
    connection.on('error', (error: NodeJS.ErrnoException) =>
      this.#end(error.code === 'ECONNRESET' ? new Error('the peer reset the connection') : error),
    );
    connection.on('close', () => this.#end(new Error('the connection was closed')));
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  get counts(): SessionCounts {
    return { ...this.#counts, bytesOut: this.#writer.bytes };
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Milliseconds since anything came from the peer. */
  get silence(): number {
    return performance.now() - this.#lastReceived;
  }

  /** The latest measured round trip in milliseconds; undefined before the first. */
  get roundTrip(): number | undefined {
    return this.#pings.latest;
  }

  /**
   * Opens a stream. It can be written to at once; an error on it says when the peer does not accept it.
   * @throws Error when the session is over, or too many streams are open or wait to be accepted.
   */
  open(): YamuxStream {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#peerGone) throw new Error('the peer accepts no more streams');
    if (this.#nextId > LAST_ID) throw new Error('the session has used up its stream ids');
    if (this.#pendingOpens >= this.#config.maxPendingOpens) throw new Error('too many streams wait to be accepted');
    if (this.#ourStreams >= this.#config.maxStreams) throw new Error('too many streams are open');
    const stream = this.#create(this.#nextId);
    this.#nextId += 2;
    this.#ourStreams++;
    this.#counts.streamsOpened++;
    this.#pendingOpens++;
    stream.awaitAccept(this.#config.openTimeout, () => {
      this.#pendingOpens--;
    });
    this.#writer.control(TYPE.windowUpdate, FLAG.syn, stream.id, 0);
    return stream;
  }

  /** Resolves with the round trip in milliseconds; rejects when the session ends first. */
  async ping(): Promise<number> {
    if (this.#closed !== undefined) throw this.#closed;
    return await this.#pings.ping();
  }

  /** Measures the round trip anew, unless an answer is still waited for. */
  measure(): void {
    if (this.#closed === undefined) this.#pings.measure();
  }

  /** Tells the peer to open no more streams. Guardian wants the connection to be closed soon after. */
  goAway(): void {
    this.#writer.control(TYPE.goAway, 0, 0, GO_AWAY.normal);
  }

  /** Ends the session and its streams at once. */
  close(reason = new Error('the session was closed')): void {
    this.#end(reason);
  }

  #create(id: number): YamuxStream {
    const stream = new YamuxStream(this.#owner, id, new ReceiveWindow(this.#config.budget, this.#pings));
    this.#streams.set(id, stream);
    return stream;
  }

  #forget(stream: YamuxStream): void {
    this.#writer.forget(stream);
    this.#throttle?.forget(stream);
    if (this.#streams.get(stream.id) !== stream) return;
    this.#streams.delete(stream.id);
    if (this.#isOurs(stream.id)) this.#ourStreams--;
  }

  #isOurs(id: number): boolean {
    return (id % 2 === 1) === (this.#config.role === 'client');
  }

  #onData(chunk: Buffer): void {
    if (this.#closed !== undefined) return;
    this.#lastReceived = performance.now();
    this.#counts.bytesIn += chunk.length;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // The reason goes out before the connection is closed, so that the peer's log can say it.
      this.#end(error, encodeHeader(TYPE.goAway, 0, 0, GO_AWAY.protocolError));
    }
  }

  #onEnd(): void {
    const where = this.#reader.atBoundary ? '' : ' in the middle of a frame';
    this.#end(new Error(`the peer closed the connection${where}`));
  }

  #onFrame(type: number, flags: number, streamId: number, length: number): void {
    if (this.#closed !== undefined) return;
    if (type === TYPE.ping) this.#pings.onFrame(flags, length);
    else if (type === TYPE.goAway) this.#onGoAway(length);
    else this.#onStreamFrame(type, flags, streamId, length);
  }

  #onStreamFrame(type: number, flags: number, streamId: number, length: number): void {
    if (streamId === 0) throw new ProtocolError('stream 0 carries no data and has no window');
    const stream = (flags & FLAG.syn) === 0 ? this.#streams.get(streamId) : this.#accept(streamId);
    if (type === TYPE.data) {
      // Data behind the end is no violation: Go's yamux sends it where one goroutine writes while another closes.
      this.#bodyOf = stream?.remoteEnded === true ? undefined : stream;
      this.#bodyEnds = (flags & FLAG.fin) !== 0;
    }
    stream?.onFrame(type, flags, length);
  }

  #onBody(piece: Buffer, last: boolean): void {
    const stream = this.#bodyOf;
    if (stream === undefined) {
      this.#counts.bytesDropped += piece.length;
      return;
    }
    stream.onBody(piece);
    if (last && this.#bodyEnds) stream.onRemoteEnd();
  }

  #accept(id: number): YamuxStream | undefined {
    if (this.#isOurs(id)) throw new ProtocolError('a stream was opened with an id of ours');
    if (this.#streams.has(id)) throw new ProtocolError('a stream was opened twice');
    if (this.#streams.size - this.#ourStreams >= this.#config.maxStreams) {
      this.#counts.streamsRefused++;
      this.emit('refused');
      this.#writer.control(TYPE.windowUpdate, FLAG.rst, id, 0);
      return undefined;
    }
    const stream = this.#create(id);
    this.#counts.streamsAccepted++;
    // At once: a peer whose stream is not accepted in time gives the whole session up.
    this.#writer.control(TYPE.windowUpdate, FLAG.ack, id, 0);
    // A stream that nobody wants would be open for ever.
    if (!this.emit('stream', stream)) stream.destroy();
    return stream;
  }

  #onGoAway(reason: number): void {
    this.#peerGone = true;
    this.emit('goAway');
    if (reason !== GO_AWAY.normal) this.#end(new Error(`the peer gave the session up (reason ${reason})`));
  }

  #end(reason: Error, lastWords?: Buffer): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#writer.close();
    this.#pings.fail(reason);
    this.#throttle?.close();
    for (const stream of [...this.#streams.values()]) stream.destroy(reason);
    if (lastWords === undefined) this.#connection.destroy();
    else this.#sayAndClose(lastWords);
    this.emit('close', reason);
  }

  #sayAndClose(lastWords: Buffer): void {
    const late = setTimeout(() => this.#connection.destroy(), LAST_WORDS_TIMEOUT).unref();
    this.#connection.end(lastWords, () => {
      clearTimeout(late);
      this.#connection.destroy();
    });
  }
}
