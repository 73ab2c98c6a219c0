import { createHash } from 'node:crypto';
import { UserError } from '../../errors.ts';
import type { LogType } from '../types/log-type.ts';
import { base36 } from './base36.ts';
import { checksum } from './checksum/checksum.ts';
import type { Line } from './lines.ts';

/** Where an upload's bytes stand on the node they come from: our forwarder says so, other shippers do not. */
export interface FilePosition {
  /** Hash of the file's first line that is not blank, see fileKey. */
  readonly fileKey: string;
  /** Offset of the upload's first byte in the (uncompressed) file. */
  readonly offset: number;
  /** Bytes of whole lines behind the upload in that file, which the forwarder has still to send; where it says so. */
  readonly unsent?: number;
}

/** Who sends an upload. The cluster is known from its certificate; the rest is the sender's word. */
export interface UploadSource {
  readonly cluster: string;
  readonly host: string | undefined;
  readonly position: FilePosition | undefined;
}

/** Request headers in which a forwarder says where an upload's bytes stand. */
export const SOURCE_HEADERS = {
  host: 'kubectl-mcm-host',
  fileKey: 'kubectl-mcm-file-key',
  offset: 'kubectl-mcm-offset',
  unsent: 'kubectl-mcm-unsent',
} as const;

const HOST = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?$/;
const FILE_KEY = /^[0-9a-f]{32}$/;
/** Of an offset, or a size. */
const BYTES = /^\d{1,15}$/;

/** Whether a node may be called that in records and ids. */
export function isHostName(name: string): boolean {
  return HOST.test(name);
}

/** Reads SOURCE_HEADERS. @throws UserError for a header that is not of its form, or a position without its other half. */
export function readUploadSource(cluster: string, header: (name: string) => string | undefined): UploadSource {
  const host = header(SOURCE_HEADERS.host);
  const fileKey = header(SOURCE_HEADERS.fileKey);
  const offset = header(SOURCE_HEADERS.offset);
  const unsent = header(SOURCE_HEADERS.unsent);
  if (host !== undefined && !isHostName(host)) throw new UserError(`${SOURCE_HEADERS.host}: not a host name`);
  if (fileKey === undefined && offset === undefined) return { cluster, host, position: undefined };
  if (fileKey === undefined || !FILE_KEY.test(fileKey)) {
    throw new UserError(`${SOURCE_HEADERS.fileKey}: 32 lower-case hexadecimal digits are needed`);
  }
  if (offset === undefined || !BYTES.test(offset)) {
    throw new UserError(`${SOURCE_HEADERS.offset}: a number of bytes is needed`);
  }
  if (host === undefined) throw new UserError(`${SOURCE_HEADERS.host}: needed beside ${SOURCE_HEADERS.fileKey}`);
  if (unsent !== undefined && !BYTES.test(unsent)) {
    throw new UserError(`${SOURCE_HEADERS.unsent}: a number of bytes is needed`);
  }
  const rest = unsent === undefined ? {} : { unsent: Number(unsent) };
  return { cluster, host, position: { fileKey, offset: Number(offset), ...rest } };
}

/**
 * Names a file by its first complete line that is not blank (blank ones are the same everywhere). Renaming, copying,
 * truncating and compressing change the name and the inode of a log file but not that line.
 */
export function fileKey(firstLine: Buffer): string {
  return createHash('sha256').update(firstLine).digest('hex').slice(0, 32);
}

/** Different lines of one upload without positions that can be told apart; shippers send some thousands at once. */
const MOST_LINES = 250_000;

/** An upload that must be sent in smaller parts. */
export class UploadTooLong extends Error {
  override readonly name = 'UploadTooLong';
}

/**
 * Gives the lines of one upload their ids: a record sent again has the same id, two records never do. The id of a line
 * with a position is its place and a checksum of its bytes, so that a collision can only be the same bytes from the
 * same place. Without a position it is the line's hash, and for types whose equal lines can be two records also which
 * occurrence in the upload it is.
 */
export class RecordIds {
  readonly #source: UploadSource;
  readonly #linesAreUnique: boolean;
  readonly #occurrences = new Map<string, number>();

  constructor(source: UploadSource, type: LogType) {
    this.#source = source;
    this.#linesAreUnique = type.linesAreUnique;
  }

  /** At most 400 bytes; Elasticsearch takes 512. @throws UploadTooLong */
  next(line: Line): string {
    const { cluster, host, position } = this.#source;
    if (position !== undefined) {
      return `${cluster}/${host}/${position.fileKey}/${base36(line.offset)}/${base36(checksum(line.bytes))}`;
    }
    const hash = createHash('sha256').update(line.bytes).digest('base64url').slice(0, 22);
    if (this.#linesAreUnique) return `${cluster}/${hash}`;
    const occurrence = (this.#occurrences.get(hash) ?? 0) + 1;
    if (this.#occurrences.size >= MOST_LINES) throw new UploadTooLong(`more than ${MOST_LINES} lines in one upload`);
    this.#occurrences.set(hash, occurrence);
    return `${cluster}/${hash}/${occurrence}`;
  }
}
