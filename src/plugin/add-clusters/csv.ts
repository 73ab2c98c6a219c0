/** A line of a CSV file, or several where a quoted cell has line ends. */
export interface CsvRow {
  /** Where it begins, from 1 on. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** The file is no CSV. */
export class CsvError extends Error {
  override readonly name = 'CsvError';
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** A cell and what ends it: in quotes, where two of them are one, or as it stands. */
const CELL = /[^\S\n]*(?:"((?:[^"]|"")*)"[^\S\n]*|([^",\n]*))(,|\n|$)/y;

/**
 * CSV as spreadsheets write it (RFC 4180, with or without a byte order mark). Spaces around a cell are no part of it;
 * empty lines, and those that begin with `#`, are none. @throws CsvError
 */
export function parseCsv(source: string): CsvRow[] {
  const text = source.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const rows: CsvRow[] = [];
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const isComment = text[at] === '#';
    const row = isComment ? { cells: [], end: endOfLine(text, at) } : readRow(text, at, line);
    if (row.cells.some((cell) => cell !== '')) rows.push({ line, cells: row.cells });
    line += text.slice(at, row.end).split('\n').length - 1;
    at = row.end;
  }
  return rows;
}

function endOfLine(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at === -1 ? text.length : at + 1;
}

function readRow(
  text: string,
  from: number,
  line: number,
): { readonly cells: readonly string[]; readonly end: number } {
  const cells: string[] = [];
  let at = from;
  while (true) {
    CELL.lastIndex = at;
    const found = CELL.exec(text);
    if (found === null) throw new CsvError(line, 'a quotation mark is missing, or one is too many');
    const [whole, quoted, plain = '', end] = found;
    cells.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    at += whole.length;
    if (end !== ',') return { cells, end: at };
  }
}
