import { date } from '../types/fields.ts';
import type { LogType } from '../types/log-type.ts';
import { checkDepth, findEarly, MemberFinder } from './members.ts';
import { indexableTime, parseIndexableTime, parseTime } from './time.ts';

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
const ZERO = 0x30;

/** How much of a time is remembered: RFC 3339 with nanoseconds, its quotes and what comes after them. */
const LONGEST_TIME = 48;

/** As many as a number of seconds has, so that it is none of milliseconds. */
const SECONDS_DIGITS = 11;

/** What has to be known of a log type to find its records. */
type RecordForm = Pick<LogType, 'timeFields' | 'maxDepth' | 'mappings' | 'fromText'>;

/** Finds the record in a line: its braces and its time, by `timeFields` in that order. */
export class DocumentReader {
  /** What `scan` found: offsets of the record's braces, and the rest as in Document. */
  start = 0;
  end = 0;
  time = 0;
  hasHost = false;
  /** Of how many digits the time is that `earlyTime` found, which are seconds; 0 for one of another form. */
  digits = 0;
  readonly #form: RecordForm;
  readonly #finder: MemberFinder;
  /** Where the members that hold a time begin among those that are looked for: behind `host` and ours. */
  readonly #firstTime = 1 + OURS.length;
  readonly #firstTimeField: Buffer;
  /** The last time that was read, as it stood in its line with the byte after it: most lines have that of the one before. */
  readonly #lastText = Buffer.alloc(LONGEST_TIME);
  #lastLength = 0;
  #lastTime: number | undefined;

  constructor(form: RecordForm) {
    this.#form = form;
    this.#firstTimeField = Buffer.from(form.timeFields[0] ?? '');
    // Of a name that is there twice the first counts: a time that is in a member of ours is not found among the times.
    this.#finder = new MemberFinder(['host', ...OURS, ...form.timeFields], form.maxDepth);
  }

  /**
   * A line in the form that shippers write is taken by its bytes; one that already holds a member of ours, that has its
   * time in a unit which would be taken for another, or that is written in some other way, is parsed and written anew.
   *
   * @throws Error with the reason why this line is no record.
   */
  read(line: Buffer): Document {
    if (this.scan(line, 0, line.length)) {
      return { open: line.subarray(this.start, this.end), time: this.time, hasHost: this.hasHost };
    }
    const start = skipSpace(line);
    const end = lastNonSpace(line);
    if (line[start] !== OPEN_BRACE || line[end] !== CLOSE_BRACE || end <= start) {
      const record = this.#form.fromText?.(line.toString('utf8'));
      if (record === undefined) throw new Error('not a JSON object');
      return documentOf(record as Record<string, unknown>, this.#form);
    }
    return parseDocument(line, this.#form);
  }

  /**
   * Whether the line from `from` to `to` can be taken by its bytes; then this reader's fields say what is in it. Makes
   * no objects.
   *
   * @throws Error where it is nested too deep.
   */
  scan(bytes: Buffer, from: number, to: number): boolean {
    const start = skipSpace(bytes, from);
    const end = lastNonSpace(bytes, to);
    if (bytes[start] !== OPEN_BRACE || bytes[end] !== CLOSE_BRACE || end <= start) return false;
    if (!this.#finder.find(bytes, start, end)) return false;
    const { values } = this.#finder;
    for (let at = 1; at < this.#firstTime; at++) if (values[at] !== -1) return false;
    let which = this.#firstTime;
    while (which < values.length && values[which] === -1) which++;
    if (which === values.length) return false;
    const time = this.#timeAt(bytes, values[which] as number);
    if (time === undefined) return false;
    this.start = start;
    this.end = end;
    this.time = time;
    this.hasHost = values[0] !== -1;
    return true;
  }

  /**
   * The time of a line that has it near its beginning; undefined for any other. `end` is behind the byte after it: up to
   * there every line that has it is the same, and nothing is said of the rest.
   */
  earlyTime(bytes: Buffer, from: number): number | undefined {
    const at = bytes[from] === OPEN_BRACE ? findEarly(bytes, from, this.#firstTimeField) : -1;
    const to = at === -1 ? -1 : endOfScalar(bytes, at);
    if (to === -1) return undefined;
    this.end = to + 1;
    const time = timeOf(bytes, at, to);
    const seconds = wholeSeconds(bytes, at, to);
    // A number with zeros before it is none of JSON's.
    this.digits = seconds !== undefined && String(seconds).length === to - at ? to - at : 0;
    return time;
  }

  #timeAt(bytes: Buffer, from: number): number | undefined {
    const last = this.#lastText;
    let same = 0;
    while (same < this.#lastLength && bytes[from + same] === last[same]) same++;
    if (same > 0 && same === this.#lastLength) return this.#lastTime;
    const to = endOfScalar(bytes, from);
    if (to === -1) return undefined;
    this.#lastTime = timeOf(bytes, from, to);
    this.#lastLength = to - from >= LONGEST_TIME ? 0 : to - from + 1;
    bytes.copy(last, 0, from, from + this.#lastLength);
    return this.#lastTime;
  }
}

/** The time that a string or number is. */
function timeOf(bytes: Buffer, from: number, to: number): number | undefined {
  const seconds = wholeSeconds(bytes, from, to);
  return seconds === undefined ? parseIndexableTime(scalarOf(bytes, from, to)) : parseTime(seconds);
}

/** Where the string or number that begins there ends; -1 for anything else. */
function endOfScalar(line: Buffer, from: number): number {
  const start = skipSpace(line, from);
  if (line[start] === QUOTE) return line.indexOf(QUOTE, start + 1) + 1 || -1;
  let end = start;
  while (isNumberByte(line[end])) end++;
  const next = line[end];
  return end === start || !(next === COMMA || next === CLOSE_BRACE || isSpace(next)) ? -1 : end;
}

/** A number of nothing but the digits that seconds have, which nearly all are. */
function wholeSeconds(line: Buffer, from: number, to: number): number | undefined {
  if (to - from > SECONDS_DIGITS) return undefined;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = (line[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** What stands in a string, or a number as it is written. */
function scalarOf(line: Buffer, from: number, to: number): string {
  const text = line.toString('latin1', from, to).trim();
  return text.startsWith('"') ? text.slice(1, -1) : text;
}

function isNumberByte(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || byte === 0x2e);
}

/** The slow way: everything is read, ours is taken out, and every number keeps the digits it came with. */
function parseDocument(line: Buffer, form: RecordForm): Document {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.toString('utf8'), keepDigits);
  } catch {
    throw new Error('not JSON');
  }
  checkNesting(parsed, 1, form.maxDepth);
  return documentOf(parsed as Record<string, unknown>, form);
}

function documentOf(record: Record<string, unknown>, { timeFields, mappings }: RecordForm): Document {
  const time = timeFields.map((name) => parseTime(plain(record[name]))).find((found) => found !== undefined);
  if (time === undefined) {
    throw new Error(`no usable time in ${timeFields.join(' or ')}`);
  }
  for (const key of OURS) delete record[key];
  for (const [name, mapping] of Object.entries(mappings.properties)) {
    if (mapping !== date || !(name in record)) continue;
    const value = plain(record[name]);
    const indexable = indexableTime(value);
    if (indexable !== value) record[name] = indexable;
  }
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

/** A time that keepDigits wrapped, as its digits. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('rawJSON' in value)) return value;
  const text = String(value.rawJSON);
  return /[eE]/.test(text) ? Number(text) : text;
}

function skipSpace(bytes: Buffer, from = 0): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

function lastNonSpace(bytes: Buffer, to = bytes.length): number {
  let at = to - 1;
  while (isSpace(bytes[at])) at--;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}
