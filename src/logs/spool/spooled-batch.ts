import type { Line } from '../record/lines.ts';
import type { DeadLetter, LogRecord } from '../record/record.ts';
import { BatchReader, BatchWriter, BYTES } from './batch-bytes.ts';

const LINE_ROW = 2 * BYTES.float64 + BYTES.large;
/** Line; id, added and checksum; the document, its time, and 1 where the record names its host. */
const RECORD_ROW = LINE_ROW + 3 * BYTES.text + BYTES.large + BYTES.float64 + BYTES.uint8;
/** Line; id and reason. */
const LETTER_ROW = LINE_ROW + 2 * BYTES.text;

/**
 * Records as bytes, so that what is written later is the same to the byte as what would have been written at once. The
 * pieces are one batch, one after the other; lines and documents in them are the records' own memory.
 */
export function encodeRecords(records: readonly LogRecord[]): readonly Buffer[] {
  const out = new BatchWriter(records.length, RECORD_ROW);
  let [id, added] = ['', ''];
  for (const record of records) {
    const { line, document } = record;
    const at = writeLine(out, line);
    out.text(record.id, id);
    out.text(record.added, added);
    out.text(record.checksum ?? '', '');
    [id, added] = [record.id, record.added];
    const offset = offsetIn(line.bytes, document.open);
    if (offset === undefined) out.large(document.open);
    else out.part(at + offset, document.open.length);
    out.float64(document.time);
    out.uint8(document.hasHost ? 1 : 0);
  }
  return out.end();
}

/** @throws RangeError when the bytes are something else. */
export function decodeRecords(body: Buffer, day: string): LogRecord[] {
  const from = new BatchReader(body, RECORD_ROW);
  const records: LogRecord[] = [];
  let [id, added] = ['', ''];
  for (let row = 0; row < from.rows; row++) {
    const line = readLine(from);
    id = from.text(id);
    added = from.text(added);
    const checksum = from.text('');
    const document = { open: from.large(), time: from.float64(), hasHost: from.uint8() === 1 };
    records.push({ id, day, line, document, added, ...(checksum === '' ? {} : { checksum }) });
  }
  return records;
}

export function encodeLetters(letters: readonly DeadLetter[]): readonly Buffer[] {
  const out = new BatchWriter(letters.length, LETTER_ROW);
  let id = '';
  for (const letter of letters) {
    writeLine(out, letter.line);
    out.text(letter.id, id);
    id = letter.id;
    out.text(letter.reason, '');
  }
  return out.end();
}

/** @throws RangeError when the bytes are something else. */
export function decodeLetters(body: Buffer): DeadLetter[] {
  const from = new BatchReader(body, LETTER_ROW);
  const letters: DeadLetter[] = [];
  let id = '';
  for (let row = 0; row < from.rows; row++) {
    const line = readLine(from);
    id = from.text(id);
    letters.push({ id, line, reason: from.text('') });
  }
  return letters;
}

/** Returns where its bytes are. */
function writeLine(out: BatchWriter, { offset, length, bytes }: Line): number {
  out.float64(offset);
  out.float64(length);
  return out.large(bytes);
}

function readLine(from: BatchReader): Line {
  return { offset: from.float64(), length: from.float64(), bytes: from.large() };
}

/** Where `part` stands, if it is a view of the line's bytes. */
function offsetIn(line: Buffer, part: Buffer): number | undefined {
  const offset = part.byteOffset - line.byteOffset;
  const inside = part.buffer === line.buffer && offset >= 0 && offset + part.length <= line.length;
  return inside ? offset : undefined;
}
