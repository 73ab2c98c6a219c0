import type { LogType } from '../types/log-type.ts';
import { checkDepth, findMembers } from './members.ts';
import { parseTime } from './time.ts';

/**
 * A record on its way into the store: its own bytes, up to before the closing brace (never `{` alone: it has a time).
 * What we add is spliced in there, so that nothing is parsed or written anew that does not have to be.
 */
export interface Document {
  readonly open: Buffer;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Whether the record names the host it comes from. */
  readonly hasHost: boolean;
}

/**
 * Members that are ours in every stored record: what a sender wrote there is dropped. `_doc_count` is Elasticsearch's,
 * and would make one record count as many.
 */
const OURS = ['cluster', 'ingested', '@timestamp', '_doc_count'];

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/** What has to be known of a log type to find its records. */
type RecordForm = Pick<LogType, 'timeFields' | 'maxDepth'>;

/** Finds the record in a line: its braces and its time, by `timeFields` in that order. */
export class DocumentReader {
  readonly #form: RecordForm;
  readonly #names: readonly Buffer[];

  constructor(form: RecordForm) {
    this.#form = form;
    this.#names = ['host', ...form.timeFields, ...OURS].map((name) => Buffer.from(name));
  }

  /**
   * A line in the form that shippers write is taken by its bytes; one that already holds a member of ours, or that is
   * written in some other way, is parsed and written anew.
   *
   * @throws Error with the reason why this line is no record.
   */
  read(line: Buffer): Document {
    const start = skipSpace(line);
    const end = lastNonSpace(line);
    if (line[start] !== OPEN_BRACE || line[end] !== CLOSE_BRACE || end <= start) throw new Error('not a JSON object');
    const values = findMembers(line, start, end, this.#names, this.#form.maxDepth);
    if (values !== undefined) {
      const [host = -1, ...others] = values;
      const times = others.splice(0, this.#form.timeFields.length);
      const time = parseTime(
        scalarAt(
          line,
          times.find((at) => at !== -1),
        ),
      );
      if (time !== undefined && others.every((at) => at === -1)) {
        return { open: line.subarray(start, end), time, hasHost: host !== -1 };
      }
    }
    return parseDocument(line, this.#form);
  }
}

/** The string (without escapes) or number that begins there; undefined for anything else. */
function scalarAt(line: Buffer, from: number | undefined): string | number | undefined {
  if (from === undefined) return undefined;
  const start = skipSpace(line, from);
  if (line[start] === QUOTE) {
    const end = line.indexOf(QUOTE, start + 1);
    const text = end === -1 ? '' : line.toString('latin1', start + 1, end);
    return text.charCodeAt(text.length - 1) === BACKSLASH ? undefined : text;
  }
  let end = start;
  while (isNumberByte(line[end])) end++;
  const next = line[end];
  return end === start || !(next === COMMA || next === CLOSE_BRACE || isSpace(next))
    ? undefined
    : Number(line.toString('latin1', start, end));
}

function isNumberByte(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || byte === 0x2e);
}

/** The slow way: everything is read, ours is taken out, and every number keeps the digits it came with. */
function parseDocument(line: Buffer, { timeFields, maxDepth }: RecordForm): Document {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.toString('utf8'), keepDigits);
  } catch {
    throw new Error('not JSON');
  }
  checkNesting(parsed, 1, maxDepth);
  const record = parsed as Record<string, unknown>;
  const time = timeFields.map((name) => parseTime(plain(record[name]))).find((found) => found !== undefined);
  if (time === undefined) {
    throw new Error(`no usable time in ${timeFields.join(' or ')}`);
  }
  for (const key of OURS) delete record[key];
  const open = Buffer.from(JSON.stringify(record).slice(0, -1));
  return { open, time, hasHost: record.host !== undefined };
}

function checkNesting(value: unknown, depth: number, maxDepth: number): void {
  if (typeof value !== 'object' || value === null) return;
  checkDepth(depth, maxDepth);
  for (const member of Object.values(value)) checkNesting(member, depth + 1, maxDepth);
}

/** JSON.rawJSON and the reviver's third argument are in V8 and not yet in TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined || String(value) === context.source) return value;
  return rawJSON(context.source);
}

/** A time that keepDigits wrapped, as a plain number again. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return 'rawJSON' in value ? Number(value.rawJSON) : value;
}

function skipSpace(bytes: Buffer, from = 0): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

function lastNonSpace(bytes: Buffer): number {
  let at = bytes.length - 1;
  while (isSpace(bytes[at])) at--;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}
