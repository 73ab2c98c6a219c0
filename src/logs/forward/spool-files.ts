import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LogTypeName } from '../types/log-type.ts';
import { unusableState } from './state-lock.ts';

/** Disks give room in blocks. */
const BLOCK = 4096;

/** What a segment counts as at least, so that there are not too many of them. */
const LEAST = 4 * BLOCK;

const SEGMENT = /^(\d{16})-([a-z_]+)-(\d+)\.segment$/;

/** What a segment's name says: its place in the order, and what is lost if nothing else of it can be read. */
export interface SegmentName {
  readonly number: number;
  readonly type: LogTypeName;
  readonly records: number;
}

export interface SpoolUsage {
  /** On disk, without what is in quarantine. */
  readonly bytes: number;
  readonly segments: number;
  /** Milliseconds since 1970; undefined when it is empty. */
  readonly oldest: number | undefined;
  /** Segments with frames that were damaged. */
  readonly quarantined: number;
}

export function spoolDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'spool');
}

export function quarantineDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'quarantine');
}

/** `0001795400000000-flows-1234.segment` */
export function segmentName({ number, type, records }: SegmentName): string {
  return `${String(number).padStart(16, '0')}-${type}-${records}.segment`;
}

/** Undefined for what is no segment. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const [, number, type, records] = SEGMENT.exec(name) ?? [];
  return number === undefined
    ? undefined
    : { number: Number(number), type: type as LogTypeName, records: Number(records) };
}

/** Bytes that a segment takes of the spool's size. */
export function onDisk(bytes: number): number {
  return Math.max(LEAST, Math.ceil(bytes / BLOCK) * BLOCK);
}

/**
 * What is in the spool, for those who only look, whoever holds the lock; it may be missing.
 * @throws UserError when it cannot be read.
 */
export function spoolUsage(stateDirectory: string): SpoolUsage {
  const files = (directory: string) => {
    const names = existsSync(directory) ? readdirSync(directory) : [];
    return names
      .filter((name) => parseSegmentName(name) !== undefined)
      .flatMap((name) => statSync(join(directory, name), { throwIfNoEntry: false }) ?? []);
  };
  try {
    const segments = files(spoolDirectory(stateDirectory));
    return {
      bytes: segments.reduce((sum, { size }) => sum + onDisk(size), 0),
      segments: segments.length,
      oldest: segments.length === 0 ? undefined : Math.min(...segments.map(({ mtimeMs }) => Math.floor(mtimeMs))),
      quarantined: files(quarantineDirectory(stateDirectory)).length,
    };
  } catch (error) {
    throw unusableState(stateDirectory, error);
  }
}
