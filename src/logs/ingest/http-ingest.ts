import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline, type Transform } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { codeOf, messageOf, UserError } from '../../errors.ts';
import { GoldmaneReader } from '../goldmane/goldmane-reader.ts';
import { type LineReader, RecordReader } from '../record/record.ts';
import { readUploadSource, type UploadSource, UploadTooLong } from '../record/source.ts';
import { type LogStore, type StoreFault, StoreUnavailable } from '../store/log-store.ts';
import { flows } from '../types/flows.ts';
import { STORED_TYPES } from '../types/index.ts';
import type { LogType } from '../types/log-type.ts';
import { takeUpload, type UploadOutcome } from './upload.ts';

/** What keeps one sender, or one cluster, from taking the room of all the others. */
export interface IngestLimits {
  /** Uploads under way at once; one more is told to come back. */
  readonly uploads: number;
  /** How many of them may be of one cluster. */
  readonly uploadsPerCluster: number;
  /** Milliseconds without a byte of its body after which an upload is ended. */
  readonly idle: number;
}

export const INGEST_LIMITS: IngestLimits = {
  // Each has a batch of some MiB in memory, several times over while it is being written.
  uploads: 32,
  // A forwarder sends three at once. Four clusters have to misbehave before a fifth finds no room.
  uploadsPerCluster: 8,
  // Senders have what they send before they begin: so long a pause is a dead connection, or means ill.
  idle: 30_000,
};

/** Seconds after which a sender that was turned away should try again. */
const RETRY_AFTER = 5;

export interface IngestEvents {
  /** An upload was stored and is about to be answered 200. */
  taken(source: UploadSource, type: LogType, outcome: UploadOutcome): void;
  /**
   * An upload has to be sent again: there was no room for it or the store did not take it, which is the `fault` then, or
   * its sender stalled.
   */
  turnedAway(cluster: string, type: LogType, reason: string, fault?: StoreFault): void;
  /** An upload failed by a fault of ours, and is answered 500. */
  failed(cluster: string, error: unknown): void;
}

/** Somebody sent what is no upload. `code` is the HTTP status it is answered with. */
class BadUpload extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** A sender stopped in the middle of its upload. */
class Stalled extends BadUpload {
  constructor(idle: number) {
    super(408, `no byte came for ${idle / 1000} s`);
  }
}

/** What is sent to one path. */
interface Route {
  readonly type: LogType;
  readonly readerFor: (source: UploadSource) => LineReader;
  /** Goldmane's connection is of no more use to it after an answer with a body. */
  readonly emptyAnswer: boolean;
}

const ROUTES: ReadonlyMap<string, Route> = new Map([
  ...STORED_TYPES.flatMap((type) =>
    type.ingestPaths.map((path): [string, Route] => [
      path,
      { type, readerFor: (source) => new RecordReader(type, source), emptyAnswer: false },
    ]),
  ),
  [
    '/api/v1/flows/bulk',
    { type: flows, readerFor: (source: UploadSource) => new GoldmaneReader(source), emptyAnswer: true },
  ],
]);

/**
 * Takes NDJSON over HTTP at the paths that Calico's log collectors and Goldmane post to. The cluster is the caller's to know (from
 * the client certificate); nothing in a request can say it.
 *
 * 200 means that every record is durable. 503 means that none of it may be taken for sent; for want of room it comes at
 * once, never after a wait.
 */
export class HttpIngest {
  readonly #store: LogStore;
  readonly #events: IngestEvents;
  readonly #limits: IngestLimits;
  /** Uploads under way, by cluster. */
  readonly #underWay = new Map<string, number>();
  #total = 0;

  constructor(store: LogStore, events: IngestEvents, limits: IngestLimits = INGEST_LIMITS) {
    this.#store = store;
    this.#events = events;
    this.#limits = limits;
  }

  /** Answers one request, unless its connection ends first. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse, cluster: string): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      await this.#answer(request, response, cluster, gone.signal);
    } catch (error) {
      this.#events.failed(cluster, error);
      if (!response.headersSent) response.writeHead(500, { 'content-length': 0 });
      response.end();
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    cluster: string,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const route = routeOf(request);
      const { differing: _differing, newest: _newest, ...answer } = await this.#take(route, request, cluster, signal);
      signal.throwIfAborted();
      if (route.emptyAnswer) response.writeHead(200, { 'content-length': 0 }).end();
      else answerJson(response, 200, answer);
    } catch (error) {
      if (signal.aborted) return;
      // Also where nobody has begun to read.
      request.resume();
      if (error instanceof Stalled) hangUp(request, response, error);
      else if (error instanceof BadUpload) answerJson(response, error.code, { error: error.message });
      else if (error instanceof StoreUnavailable) {
        answerJson(response, 503, { error: error.message }, { 'retry-after': String(RETRY_AFTER) });
      } else throw error;
    }
  }

  async #take(
    { type, readerFor }: Route,
    request: IncomingMessage,
    cluster: string,
    signal: AbortSignal,
  ): Promise<UploadOutcome> {
    const source = sourceOf(request, cluster);
    try {
      this.#enter(cluster);
      try {
        const body = bodyOf(request, this.#limits.idle);
        const outcome = await takeUpload({ type, source, reader: readerFor(source), body }, this.#store, signal);
        this.#events.taken(source, type, outcome);
        return outcome;
      } finally {
        this.#leave(cluster);
      }
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#events.turnedAway(cluster, type, error.message, error.fault);
      if (error instanceof Stalled) this.#events.turnedAway(cluster, type, error.message);
      if (error instanceof UploadTooLong) throw new BadUpload(413, `${error.message}: send it in smaller parts`);
      if (isCorrupt(error)) {
        const encoding = request.headers['content-encoding'] ?? '';
        throw new BadUpload(400, `the body is not ${encoding}: ${messageOf(error)}`);
      }
      throw error;
    }
  }

  /** Takes a place. @throws StoreUnavailable when there is none for this cluster. */
  #enter(cluster: string): void {
    const { uploads, uploadsPerCluster } = this.#limits;
    const own = this.#underWay.get(cluster) ?? 0;
    if (own >= uploadsPerCluster) {
      throw new StoreUnavailable(`${own} uploads of this cluster are under way already`, { fault: 'Busy' });
    }
    if (this.#total >= uploads) {
      throw new StoreUnavailable(`${this.#total} uploads are under way already`, { fault: 'Busy' });
    }
    this.#underWay.set(cluster, own + 1);
    this.#total++;
  }

  #leave(cluster: string): void {
    const left = (this.#underWay.get(cluster) ?? 0) - 1;
    if (left > 0) this.#underWay.set(cluster, left);
    else this.#underWay.delete(cluster);
    this.#total--;
  }
}

function routeOf(request: IncomingMessage): Route {
  const route = ROUTES.get(request.url ?? '');
  if (route === undefined)
    throw new BadUpload(404, `no log type is taken at this path; there are ${[...ROUTES.keys()].join(', ')}`);
  if (request.method !== 'POST') throw new BadUpload(405, 'POST is needed');
  return route;
}

function sourceOf(request: IncomingMessage, cluster: string) {
  try {
    return readUploadSource(cluster, (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(',') : value;
    });
  } catch (error) {
    if (error instanceof UserError) throw new BadUpload(400, error.message);
    throw error;
  }
}

function bodyOf(request: IncomingMessage, idle: number): AsyncIterable<Buffer> {
  const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
  const body = withIdleTimeout(request, idle);
  if (encoding === 'identity') return body;
  const decompressor = DECOMPRESSORS.get(encoding)?.();
  if (decompressor === undefined) {
    const known = [...DECOMPRESSORS.keys(), 'identity'].join(', ');
    throw new BadUpload(415, `content-encoding ${encoding} is not taken; there are ${known}`);
  }
  // Errors reach the reader of the decompressor; pipeline makes sure that either end's end is the other's.
  pipeline(body, decompressor, () => undefined);
  return decompressor;
}

/** What RFC 9659 allows a zstd body to ask of its reader's memory, as a power of two: 8 MiB. */
const ZSTD_WINDOW = 23;

/** Bytes of the pieces in which a body comes out of its decompressor. Each goes through another thread and back. */
const PIECE = 256 * 1024;

const DECOMPRESSORS: ReadonlyMap<string, () => Transform> = new Map<string, () => Transform>([
  ['gzip', () => createGunzip({ chunkSize: PIECE })],
  // What Calico's collector sends by default.
  ['zstd', () => createZstdDecompress({ chunkSize: PIECE, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW } })],
]);

/** Whether a decompressor says so of what it was given. */
function isCorrupt(error: unknown): boolean {
  return /^Z_|^ZSTD_/.test(codeOf(error) ?? '');
}

/**
 * A body that throws when the sender lets it wait. Only the sender's pauses count: while a batch is being stored nobody
 * asks for more. The request itself is left alive, so that it can be answered.
 */
async function* withIdleTimeout(request: IncomingMessage, idle: number): AsyncGenerator<Buffer, void, void> {
  const chunks = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const next = await within(idle, chunks.next());
      if (next.done === true) return;
      yield next.value as Buffer;
    }
  } finally {
    // The rest is let pass, so that the sender gets to read the answer. Not waited for: after a stall it comes to its
    // turn only when the connection is gone.
    chunks.return?.().then(
      () => request.resume(),
      () => undefined,
    );
  }
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const { promise: stalled, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Stalled(milliseconds)), milliseconds);
  try {
    return await Promise.race([promise, stalled]);
  } finally {
    clearTimeout(timer);
  }
}

/** The connection goes too, or in HTTP/2 the stream: it would wait for the rest for ever. */
function hangUp(request: IncomingMessage, response: ServerResponse, { code, message }: Stalled): void {
  if (request.httpVersionMajor === 1) answerJson(response, code, { error: message }, { connection: 'close' });
  else answerJson(response, code, { error: message }, {}, () => response.destroy());
}

function answerJson(
  response: ServerResponse,
  code: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
  sent?: () => void,
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(code, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text, sent);
}
