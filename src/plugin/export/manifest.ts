import type { Shortcoming } from '../../logs/query/shortcoming.ts';

/** A file of an export: whole lines of JSON, in the order of their time. */
export interface ExportedFile {
  /** Its path within the export. */
  readonly name: string;
  readonly records: number;
  /** As it lies there, compressed or not. */
  readonly bytes: number;
  /** Of those bytes, in hex. */
  readonly sha256: string;
}

/** What an export has of one type of one cluster. */
export interface ExportedLog {
  readonly type: string;
  readonly cluster: string;
  records: number;
  bytes: number;
  files: ExportedFile[];
  finished: boolean;
  /** Where to go on behind the last file; undefined at the beginning, and once it is finished. */
  continue?: string | undefined;
  /** What keeps it from being whole; where it was refused, nothing of it is there, or no more than the files have. */
  shortcomings: readonly Shortcoming[];
}

/** What was typed, which is what makes two exports the same: times as they were given, patterns of clusters. */
export type Question = Readonly<Record<string, unknown>>;

/** `manifest.json`: what an export is of, what it has so far, and what is missing in it. */
export interface Manifest {
  readonly version: 1;
  /** All that could be read is there. */
  finished: boolean;
  readonly question: Question;
  /** What is asked for of each type, as `--print-query` shows it. */
  readonly query: string;
  /** RFC 3339, of the records' own time: from the first to before the second. */
  readonly since: string | null;
  readonly until: string;
  readonly clusters: readonly string[];
  readonly started: string;
  ended: string | null;
  records: number;
  bytes: number;
  readonly logs: ExportedLog[];
}

/** Adds a file that is in place, behind which `next` is where to go on. */
export function addFile(manifest: Manifest, log: ExportedLog, file: ExportedFile, next: string | undefined): void {
  log.files.push(file);
  log.continue = next;
  for (const sums of [log, manifest]) {
    sums.records += file.records;
    sums.bytes += file.bytes;
  }
}

/** Whether the API server let nothing more of it be read. */
export function isLeftOut({ shortcomings }: ExportedLog): boolean {
  return shortcomings.some(({ kind }) => kind === 'Refused');
}
