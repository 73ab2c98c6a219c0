import { isBlank } from '../record/lines.ts';

export const NEWLINE = 0x0a;

/** How many bytes before a position tell whether it is still the same file's, see LogFile.holds. */
export const TAIL_BYTES = 1024;

/** Complete lines that stand together in a file. */
export interface FileChunk {
  readonly offset: number;
  /** Of a line that is too long only the beginning: enough for the manager to set it aside. */
  readonly bytes: Buffer;
  /** Lines that are not blank; counted when it is asked for. */
  readonly records: number;
  /** Offset of the first byte after it. */
  readonly end: number;
  /** The last bytes before `offset` and before `end`, at most TAIL_BYTES. */
  readonly before: Buffer;
  readonly after: Buffer;
}

/** A chunk of whole lines. */
export function wholeLines(offset: number, bytes: Buffer, before: Buffer): FileChunk {
  const after = Buffer.concat([before, bytes.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
  return {
    offset,
    bytes,
    get records() {
      return countRecords(bytes);
    },
    end: offset + bytes.length,
    before,
    after,
  };
}

/** How much longer the chunk's only line is than what is sent of it; 0 for whole lines. */
export function cutBytes({ offset, bytes, end }: FileChunk): number {
  return Math.max(0, end - offset - bytes.length);
}

/** The chunk in two, each of whole lines; none when it is one line. */
export function halves(chunk: FileChunk): readonly FileChunk[] {
  const { offset, bytes, before } = chunk;
  if (cutBytes(chunk) > 0) return [];
  const middle = bytes.lastIndexOf(NEWLINE, Math.floor(bytes.length / 2)) + 1 || bytes.indexOf(NEWLINE) + 1;
  if (middle === bytes.length) return [];
  const first = wholeLines(offset, bytes.subarray(0, middle), before);
  return [first, wholeLines(first.end, bytes.subarray(middle), first.after)];
}

function countRecords(lines: Buffer): number {
  let records = 0;
  let start = 0;
  for (let end = lines.indexOf(NEWLINE); end !== -1; end = lines.indexOf(NEWLINE, start)) {
    if (!isBlank(lines, start, end)) records++;
    start = end + 1;
  }
  return records;
}
