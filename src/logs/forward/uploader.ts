import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Pool } from 'undici';
import { codeOf, messageOf, UserError } from '../../errors.ts';
import type { UploadAnswer } from '../ingest/upload.ts';
import { SOURCE_HEADERS } from '../record/source.ts';
import { Backoff } from './backoff.ts';
import {
  type ChunkUploader,
  NotAcknowledged,
  retryAfterOf,
  type UploadFailure,
  type UploadRequest,
} from './chunk-uploader.ts';
import { readUploadAnswer } from './upload-answer.ts';

const compress = promisify(gzip);

/** Milliseconds to wait for an answer: the manager's own writes time out at 30 s. */
const ANSWER_TIMEOUT = 60_000;

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
      connect: { ca: options.ca, cert: options.certificate, key: options.key, servername: options.serverName },
    });
  }

  /**
   * Resolves once the manager has acknowledged every record of the chunk.
   * @throws NotAcknowledged when it has not for as long as `retryFor` says.
   * @throws UserError when it never will: the certificate is refused, or this is no manager.
   */
  async upload(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    const body = await compress(request.chunk.bytes, { level: 1 });
    const backoff = new Backoff();
    for (;;) {
      const attempt = await this.#attempt(request, body, signal);
      if (attempt.acknowledged) {
        this.#lastProgress = performance.now();
        return attempt.answer;
      }
      signal.throwIfAborted();
      const pause = backoff.next(attempt.retryAfter);
      if (performance.now() + pause - this.#lastProgress > this.#options.retryFor) throw new NotAcknowledged(attempt);
      this.#options.onRetry(attempt.reason);
      await sleep(pause, undefined, { signal });
    }
  }

  /** The same, with one attempt only. */
  async uploadOnce(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    const attempt = await this.#attempt(request, await compress(request.chunk.bytes, { level: 1 }), signal);
    if (!attempt.acknowledged) throw new NotAcknowledged(attempt);
    this.#lastProgress = performance.now();
    return attempt.answer;
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #attempt(request: UploadRequest, body: Buffer, signal: AbortSignal): Promise<Attempt> {
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
          'content-encoding': 'gzip',
          [SOURCE_HEADERS.host]: host,
          [SOURCE_HEADERS.fileKey]: request.fileKey,
          [SOURCE_HEADERS.offset]: String(request.chunk.offset),
        },
        body,
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
        return { acknowledged: true, answer: readUploadAnswer(text, request.chunk.records) };
      } catch (error) {
        return notAcknowledged(messageOf(error), true);
      }
    }
    const reason = reasonOf(text) ?? `it answered ${code}`;
    if (code === 403) throw new UserError(`error: the manager at ${address} refused this forwarder: ${reason}`);
    if (code >= 400 && code < 500 && code !== 408 && code !== 429) {
      throw new UserError(`error: the manager at ${address} does not take ${request.type.label} logs: ${reason}`);
    }
    return notAcknowledged(`the manager at ${address} cannot take records now: ${reason}`, true, retryAfter);
  }
}

type Attempt =
  | { readonly acknowledged: true; readonly answer: UploadAnswer }
  | ({ readonly acknowledged: false } & UploadFailure);

function notAcknowledged(reason: string, answered: boolean, retryAfter = 0): Attempt {
  return { acknowledged: false, reason, answered, retryAfter };
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
