import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { codeOf, messageOf, UserError } from '../../errors.ts';
import { readUploadSource, UploadTooLong } from '../record/source.ts';
import { type LogStore, StoreUnavailable } from '../store/log-store.ts';
import { LOG_TYPES } from '../types/index.ts';
import type { LogType } from '../types/log-type.ts';
import { takeUpload, type UploadAnswer } from './upload.ts';

/** Uploads under way at once, each with a batch in memory; one more is told to come back. */
const MOST_UPLOADS = 32;

/** Seconds after which a sender that was turned away should try again. */
const RETRY_AFTER = 5;

export interface IngestEvents {
  /** An upload was stored and is about to be answered 200. */
  taken(cluster: string, type: LogType, answer: UploadAnswer): void;
  /** An upload was not stored, for a reason that is not its own. */
  turnedAway(cluster: string, type: LogType, error: StoreUnavailable): void;
}

/** Somebody sent what is no upload. `code` is the HTTP status it is answered with. */
class BadUpload extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const PATHS: ReadonlyMap<string, LogType> = new Map(
  LOG_TYPES.flatMap((type) => type.ingestPaths.map((path): [string, LogType] => [path, type])),
);

/**
 * Takes NDJSON over HTTP at the paths that Calico's log collectors post to. The cluster is the caller's to know (from
 * the client certificate); nothing in a request can say it.
 *
 * 200 means that every record is durable. 503 means that none of it may be taken for sent; it comes at once, never
 * after a wait for room.
 */
export class HttpIngest {
  readonly #store: LogStore;
  readonly #events: IngestEvents;
  #underWay = 0;

  constructor(store: LogStore, events: IngestEvents) {
    this.#store = store;
    this.#events = events;
  }

  /** Answers one request. `signal` aborts when the sender is gone or may no longer speak: then nothing is answered. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    cluster: string,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const answer = await this.#take(request, cluster, signal);
      signal.throwIfAborted();
      answerJson(response, 200, answer);
    } catch (error) {
      if (signal.aborted) return;
      // What was not read is let pass, so that the sender gets to read the answer.
      request.resume();
      if (error instanceof BadUpload) answerJson(response, error.code, { error: error.message });
      else if (error instanceof StoreUnavailable) {
        answerJson(response, 503, { error: error.message }, { 'retry-after': String(RETRY_AFTER) });
      } else throw error;
    }
  }

  async #take(request: IncomingMessage, cluster: string, signal: AbortSignal): Promise<UploadAnswer> {
    const type = PATHS.get(request.url ?? '');
    if (type === undefined)
      throw new BadUpload(404, `no log type is taken at this path; there are ${[...PATHS.keys()].join(', ')}`);
    if (request.method !== 'POST') throw new BadUpload(405, 'POST is needed');
    const source = sourceOf(request, cluster);
    if (this.#underWay >= MOST_UPLOADS) throw new StoreUnavailable(`${MOST_UPLOADS} uploads are under way already`);
    this.#underWay++;
    try {
      const answer = await takeUpload({ type, source, body: bodyOf(request) }, this.#store, signal);
      this.#events.taken(cluster, type, answer);
      return answer;
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#events.turnedAway(cluster, type, error);
      if (error instanceof UploadTooLong) throw new BadUpload(413, `${error.message}: send it in smaller parts`);
      if (codeOf(error)?.startsWith('Z_') === true)
        throw new BadUpload(400, `the body is not gzip: ${messageOf(error)}`);
      throw error;
    } finally {
      this.#underWay--;
    }
  }
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

function bodyOf(request: IncomingMessage): AsyncIterable<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return request;
  if (encoding !== 'gzip') throw new BadUpload(415, `content-encoding ${encoding} is not taken; gzip and identity are`);
  const gunzip = createGunzip();
  // Errors reach the reader of `gunzip`; pipeline makes sure that either end's end is the other's.
  pipeline(request, gunzip, () => undefined);
  return gunzip;
}

function answerJson(
  response: ServerResponse,
  code: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(code, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
