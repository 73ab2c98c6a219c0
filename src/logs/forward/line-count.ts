import { isBlank } from '../record/lines.ts';
import { RecordReader } from '../record/record.ts';
import type { LogType } from '../types/log-type.ts';
import { type FileChunk, NEWLINE } from './file-chunk.ts';

/** How many records there are in some lines, and of which time. */
export interface LineCount {
  readonly records: number;
  /** Milliseconds since 1970; left out where no record has a time that is taken. */
  readonly from?: number;
  readonly to?: number;
}

/** Counts the records of a chunk; also what is none and would be set aside, since it is counted as such. */
export function countLines(type: LogType, { bytes, offset }: Pick<FileChunk, 'bytes' | 'offset'>): LineCount {
  const position = { fileKey: '', offset };
  const reader = new RecordReader(type, { cluster: '', host: undefined, position });
  let [records, from, to] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    const line = bytes.subarray(start, end);
    if (!isBlank(line)) {
      records++;
      const read = reader.read({ offset: offset + start, bytes: line, length: line.length });
      if (read.kind === 'record') {
        from = Math.min(from, read.record.document.time);
        to = Math.max(to, read.record.document.time);
      }
    }
    start = end + 1;
  }
  return from <= to ? { records, from, to } : { records };
}

/** Of both together. */
export function addCounts(a: LineCount, b: LineCount): LineCount {
  const records = a.records + b.records;
  const from = Math.min(a.from ?? Number.POSITIVE_INFINITY, b.from ?? Number.POSITIVE_INFINITY);
  const to = Math.max(a.to ?? Number.NEGATIVE_INFINITY, b.to ?? Number.NEGATIVE_INFINITY);
  return from <= to ? { records, from, to } : { records };
}
