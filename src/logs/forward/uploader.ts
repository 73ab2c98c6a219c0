import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { type buildConnector, Pool } from 'undici';
import { codeOf, messageOf, UserError } from '../../errors.ts';
import { Backoff } from '../backoff.ts';
import { NAMED_LETTERS, type UploadAnswer } from '../ingest/upload.ts';
import { SOURCE_HEADERS } from '../record/source.ts';
import {
  type ChunkUploader,
  NotAcknowledged,
  retryAfterOf,
  type UploadFailure,
  type UploadRequest,
} from './chunk-uploader.ts';
import { type CompressedBody, type Compression, compress } from './compression.ts';
import { halves } from './file-chunk.ts';
import { readUploadAnswer } from './upload-answer.ts';

/** Milliseconds to wait for an answer: the manager's own writes time out at 30 s. */
const ANSWER_TIMEOUT = 60_000;

/** Milliseconds to connect to the manager, perhaps through a proxy. */
const CONNECT_TIMEOUT = 10_000;

/** For how long an upload is tried again that is tried once. */
const NOT_AGAIN = Number.NEGATIVE_INFINITY;

export interface UploaderOptions {
  /** The cluster that the certificate names. */
  readonly cluster: string;
  /** `HOST:PORT`. */
  readonly address: string;
  readonly serverName: string;
  /** PEM. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Connects to the manager, perhaps through a proxy; without it that is done directly. */
  readonly connect?: (signal: AbortSignal) => Promise<TLSSocket>;
  /** gzip where it is not said. */
  readonly compression?: Compression;
  /** This node, in records and ids. */
  readonly host: string;
  /** Uploads at once. */
  readonly connections: number;
  /** Milliseconds without any acknowledgement after which an upload is given up. */
  readonly retryFor: number;
  /** Told of every attempt that failed and will be made again. */
  readonly onRetry: (reason: string) => void;
}

/** Sends chunks of files to the manager over mutual TLS. */
export class Uploader implements ChunkUploader {
  readonly #options: UploaderOptions;
  readonly #pool: Pool;
  #lastProgress = performance.now();

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.#pool = new Pool(`https://${options.address}`, {
      connections: options.connections,
      headersTimeout: ANSWER_TIMEOUT,
      bodyTimeout: ANSWER_TIMEOUT,
      connect:
        options.connect === undefined
          ? { ca: options.ca, cert: options.certificate, key: options.key, servername: options.serverName }
          : connectorOf(options.connect),
    });
  }

  /**
   * Resolves once the manager has acknowledged every record of the chunk.
   * @throws NotAcknowledged when it has not for as long as `retryFor` says.
   * @throws NotAcknowledged at once when it takes no such uploads at all.
   * @throws UserError when it never will take any: the certificate is refused.
   */
  async upload(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    return await this.#upload(request, signal, this.#options.retryFor);
  }

  /** The same, with one attempt only. */
  async uploadOnce(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    return await this.#upload(request, signal, NOT_AGAIN);
  }

  async #upload(request: UploadRequest, signal: AbortSignal, retryFor: number): Promise<UploadAnswer> {
    const body = await compress(request.chunk.bytes, this.#options.compression ?? 'gzip');
    const backoff = new Backoff();
    for (;;) {
      const attempt = await this.#attempt(request, body, signal);
      if (attempt.verdict === 'acknowledged') {
        this.#lastProgress = performance.now();
        return attempt.answer;
      }
      signal.throwIfAborted();
      if (attempt.verdict === 'too-long') return await this.#uploadHalves(request, attempt, signal, retryFor);
      const pause = backoff.next(attempt.retryAfter);
      if (attempt.verdict === 'refused' || performance.now() + pause - this.#lastProgress > retryFor) {
        throw new NotAcknowledged(attempt);
      }
      this.#options.onRetry(attempt.reason);
      await sleep(pause, undefined, { signal });
    }
  }

  async #uploadHalves(
    request: UploadRequest,
    failure: UploadFailure,
    signal: AbortSignal,
    retryFor: number,
  ): Promise<UploadAnswer> {
    const parts = halves(request.chunk);
    if (parts.length === 0) throw new NotAcknowledged(failure);
    const answers: UploadAnswer[] = [];
    for (const chunk of parts) {
      const unsent = request.unsent + request.chunk.end - chunk.end;
      answers.push(await this.#upload({ ...request, chunk, unsent }, signal, retryFor));
    }
    const sum = (of: 'accepted' | 'known' | 'setAside') => answers.reduce((total, answer) => total + answer[of], 0);
    return {
      accepted: sum('accepted'),
      known: sum('known'),
      setAside: sum('setAside'),
      reasons: answers.flatMap(({ reasons }) => reasons).slice(0, NAMED_LETTERS),
    };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #attempt(request: UploadRequest, compressed: CompressedBody, signal: AbortSignal): Promise<Attempt> {
    const { address, host } = this.#options;
    const [path = ''] = request.type.ingestPaths;
    let code: number;
    let text: string;
    let retryAfter: number;
    try {
      const response = await this.#pool.request({
        method: 'POST',
        path,
        headers: {
          'content-type': 'application/x-ndjson',
          ...compressed.headers,
          [SOURCE_HEADERS.host]: host,
          [SOURCE_HEADERS.fileKey]: request.fileKey,
          [SOURCE_HEADERS.offset]: String(request.chunk.offset),
          [SOURCE_HEADERS.unsent]: String(request.unsent),
        },
        body: compressed.body,
        signal,
      });
      code = response.statusCode;
      retryAfter = retryAfterOf(response.headers['retry-after']);
      text = await response.body.text();
    } catch (error) {
      signal.throwIfAborted();
      return notAcknowledged(`the manager at ${address} ${unreachable(error)}`, false);
    }
    if (code === 200) {
      try {
        return { verdict: 'acknowledged', answer: readUploadAnswer(text, request.chunk.records) };
      } catch (error) {
        return notAcknowledged(messageOf(error), true);
      }
    }
    const reason = reasonOf(text) ?? `it answered ${code}`;
    if (code === 403) throw new UserError(`error: the manager at ${address} refused this forwarder: ${reason}`);
    if (code === 413) {
      return { verdict: 'too-long', reason: `the manager at ${address}: ${reason}`, answered: false, retryAfter };
    }
    if (code >= 400 && code < 500 && code !== 408 && code !== 429) {
      // No record's fault: parts of it would be refused as well.
      const refused = `the manager at ${address} does not take ${request.type.label} logs: ${reason}`;
      return { verdict: 'refused', reason: refused, answered: false, retryAfter };
    }
    return notAcknowledged(`the manager at ${address} cannot take records now: ${reason}`, true, retryAfter);
  }
}

/** Has undici take connections from there. */
function connectorOf(connect: (signal: AbortSignal) => Promise<TLSSocket>): buildConnector.connector {
  return (_, done) => {
    connect(AbortSignal.timeout(CONNECT_TIMEOUT)).then(
      (socket) => done(null, socket),
      (error: Error) => done(error, null),
    );
  };
}

type Attempt =
  | { readonly verdict: 'acknowledged'; readonly answer: UploadAnswer }
  | ({ readonly verdict: 'not-acknowledged' | 'too-long' | 'refused' } & UploadFailure);

function notAcknowledged(reason: string, answered: boolean, retryAfter = 0): Attempt {
  return { verdict: 'not-acknowledged', reason, answered, retryAfter };
}

function reasonOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}

function unreachable(error: unknown): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return 'cannot be reached: connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'cannot be reached: no such host';
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'is not the one that this forwarder was made for: its certificate is of another CA';
    case 'CERT_HAS_EXPIRED':
      return 'has a certificate that is expired';
    default:
      return `cannot be reached: ${messageOf(error)}`;
  }
}
