import type { UploadAnswer } from '../ingest/upload.ts';
import type { LogType } from '../types/log-type.ts';
import type { FileChunk } from './file-chunk.ts';

export interface UploadRequest {
  readonly type: LogType;
  readonly fileKey: string;
  readonly chunk: FileChunk;
  /** Bytes of whole lines behind the chunk in its file, which are still to be sent. */
  readonly unsent: number;
}

/** Gets chunks of files to where they are kept. */
export interface ChunkUploader {
  /**
   * Resolves once every record of the chunk is durable or set aside; tries again until then.
   * @throws NotAcknowledged when that has not been so for as long as it may take.
   * @throws UserError when it never will be.
   */
  upload(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer>;

  /** The same, with one attempt only. */
  uploadOnce(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer>;

  close(): Promise<void>;
}

/** Why an attempt has failed that may be made again. */
export interface UploadFailure {
  readonly reason: string;
  /** The other end was there and said so. */
  readonly answered: boolean;
  /** Milliseconds that it has asked to be left alone. */
  readonly retryAfter: number;
}

/** An upload was not acknowledged in time: it has to be made again, by a later run if need be. */
export class NotAcknowledged extends Error {
  override readonly name = 'NotAcknowledged';
  readonly answered: boolean;
  readonly retryAfter: number;

  constructor({ reason, answered, retryAfter }: UploadFailure) {
    super(reason);
    this.answered = answered;
    this.retryAfter = retryAfter;
  }
}

/** Milliseconds after which it is tried again whatever was asked for: that may be a mistake, or a clock's. */
const LONGEST_WAIT = 5 * 60_000;

/** Milliseconds that a Retry-After header asks for, as seconds or as an HTTP date; 0 where it is neither. */
export function retryAfterOf(header: string | string[] | undefined): number {
  const text = String(header ?? '');
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return wait > 0 ? Math.min(wait, LONGEST_WAIT) : 0;
}
