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

/** Keys that are ours in every stored record: what a sender wrote there is dropped. */
const OURS = ['cluster', 'ingested', '@timestamp'] as const;
const OUR_KEYS = OURS.map((key) => Buffer.from(`"${key}"`));
const HOST_KEY = Buffer.from('"host"');

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Finds the record in a line: its braces and its time, by `timeFields` in that order.
 *
 * The bytes are only looked at where that cannot mislead: a line that holds one of our keys, or the time field more
 * than once or in another form than shippers write it, is parsed. What is wrong deeper inside a line the store finds
 * when it parses it.
 *
 * @throws Error with the reason why this line is no record.
 */
export function readDocument(line: Buffer, timeFields: readonly TimeField[]): Document {
  const start = skipSpace(line);
  const end = lastNonSpace(line);
  if (line[start] !== OPEN_BRACE || line[end] !== CLOSE_BRACE || end <= start) throw new Error('not a JSON object');
  const mayHoldOurs = OUR_KEYS.some((key) => line.includes(key));
  if (!mayHoldOurs && !line.includes(HOST_KEY)) {
    const time = findTime(line, timeFields);
    if (time !== undefined) {
      return { open: line.subarray(start, end), time, hasHost: false };
    }
  }
  return parseDocument(line, timeFields);
}

/** A field that may hold the record's time, ready to be looked for in bytes. */
export interface TimeField {
  readonly name: string;
  readonly key: Buffer;
}

export function timeField(name: string): TimeField {
  return { name, key: Buffer.from(`"${name}":`) };
}

/** undefined where the bytes alone cannot tell. */
function findTime(line: Buffer, timeFields: readonly TimeField[]): number | undefined {
  for (const { key } of timeFields) {
    const at = line.indexOf(key);
    if (at === -1) continue;
    // Twice: one of them is inside another object (an audit record's bodies hold all sorts of things).
    if (line.indexOf(key, at + key.length) !== -1) return undefined;
    return parseTime(scalarAt(line, at + key.length));
  }
  return undefined;
}

/** The string (without escapes) or number that begins there; undefined for anything else. */
function scalarAt(line: Buffer, from: number): string | number | undefined {
  const start = skipSpace(line, from);
  if (line[start] === QUOTE) {
    const end = line.indexOf(QUOTE, start + 1);
    const text = end === -1 ? '' : line.toString('latin1', start + 1, end);
    return text.charCodeAt(text.length - 1) === BACKSLASH ? undefined : text;
  }
  let end = start;
  while (isNumberByte(line[end])) end++;
  return end === start ? undefined : Number(line.toString('latin1', start, end));
}

function isNumberByte(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || byte === 0x2e);
}

/** The slow way: everything is read, ours is taken out, and every number keeps the digits it came with. */
function parseDocument(line: Buffer, timeFields: readonly TimeField[]): Document {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.toString('utf8'), keepDigits);
  } catch {
    throw new Error('not JSON');
  }
  const record = parsed as Record<string, unknown>;
  const time = timeFields.map(({ name }) => parseTime(plain(record[name]))).find((found) => found !== undefined);
  if (time === undefined) {
    throw new Error(`no usable time in ${timeFields.map(({ name }) => name).join(' or ')}`);
  }
  for (const key of OURS) delete record[key];
  const open = Buffer.from(JSON.stringify(record).slice(0, -1));
  return { open, time, hasHost: typeof record.host === 'string' };
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
