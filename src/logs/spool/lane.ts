import type { UploadSource } from '../record/source.ts';
import { STORED_TYPES } from '../types/index.ts';
import type { LogType } from '../types/log-type.ts';

/** What goes into one index, and has to wait when that index takes nothing: it never keeps what goes into another. */
export interface Lane {
  readonly cluster: string;
  readonly type: LogType;
  /** `yyyymmdd`, or undefined for the type's dead letters. */
  readonly day: string | undefined;
}

/** What is spooled of one upload for one lane, but for the records themselves. */
export interface Spooled {
  readonly lane: Lane;
  readonly source: UploadSource;
  /** Says what came first. */
  readonly sequence: number;
  /** Milliseconds since 1970 at which it was spooled. */
  readonly time: number;
  /** How many records or dead letters it holds. */
  readonly records: number;
}

export function laneKey({ cluster, type, day }: Lane): string {
  return `${cluster}/${type.name}/${day ?? ''}`;
}

/** The head of a frame. */
export function writeHead({ lane, source, sequence, time, records }: Spooled): Buffer {
  const { cluster, type, day } = lane;
  const { host, position } = source;
  return Buffer.from(JSON.stringify({ cluster, type: type.name, day, host, ...position, sequence, time, records }));
}

interface Head {
  readonly cluster: string;
  readonly type: string;
  readonly day?: string;
  readonly host?: string;
  readonly fileKey?: string;
  readonly offset?: number;
  readonly sequence: number;
  readonly time: number;
  readonly records: number;
}

/** @throws Error when it was written by another version, with what this one does not know. */
export function readHead(bytes: Buffer): Spooled {
  const { cluster, type: name, day, host, fileKey, offset, sequence, time, records } = JSON.parse(`${bytes}`) as Head;
  const type = STORED_TYPES.find((one) => one.name === name);
  if (type === undefined) throw new Error(`unknown log type ${name}`);
  const position = fileKey === undefined || offset === undefined ? undefined : { fileKey, offset };
  return { lane: { cluster, type, day }, source: { cluster, host, position }, sequence, time, records };
}

/** Whether dead letters of both say the same of where they come from. */
export function isSameSource(a: UploadSource, b: UploadSource): boolean {
  return a.host === b.host && a.position?.fileKey === b.position?.fileKey;
}
