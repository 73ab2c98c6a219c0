import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { DocumentReader } from '../../record/document.ts';
import { dayOf } from '../../record/time.ts';
import { TimeWindow } from '../../record/time-window.ts';
import type { OpenDays } from '../retention.ts';
import { type BulkBody, MOMENT_DIGITS } from './bulk-body.ts';
import type { FileLines } from './bulk-lines.ts';
import { actionOf, type IndexNames } from './index-names.ts';

const NOTHING: Buffer = Buffer.alloc(0);

const QUOTE = 0x22;
const NEWLINE = 0x0a;
const SLASH = 0x2f;
const ZERO = 0x30;
const CLOSE_BRACE = 0x7d;

/**
 * Longer lines cost their bytes, and hardly anything for being one line more. None that is as short can be nested so deep
 * that Elasticsearch would not come back from it, which is what LogType.maxDepth is for.
 */
const LONGEST = 4096;

/**
 * Parts of what a line must not hold to be taken the short way: escapes, which can hide anything; comments, which
 * Elasticsearch's parser takes and which would hide what is added; `host`, which stays as it is; and `_doc_count`, which
 * would make one record count as many. Those bytes of them are looked for that begin rarely in logs: the search is by
 * the first. Keys that are added are not looked for: Elasticsearch refuses what is there twice.
 */
const SUSPICIOUS = ['\\', '//', '/*', 'host"', 'doc_co'].map((text) => Buffer.from(text));

/**
 * The short way of lines into a `_bulk` body, for lines in the form that shippers write; see RecordReader for what each
 * part is for.
 *
 * A profile of the long way says: 40 % of it is the pass that follows a line's strings and brackets, a fifth are objects
 * for each line and their collection, a tenth is the checksum. So nothing here makes an object for a line, and brackets
 * are left to Elasticsearch, which parses the line anyway and refuses what does not fit, also what stands behind the end.
 * That is enough: without comments and escapes, what is added before the last brace is either in the outermost object or
 * makes no JSON, since just the one bracket is closed behind it that was cut off, and a string that was left open ends at
 * its first quote.
 */
export class PlainLines {
  readonly #body: BulkBody;
  readonly #names: IndexNames;
  readonly #file: FileLines;
  readonly #documents: DocumentReader;
  readonly #window: TimeWindow;
  readonly #open: OpenDays;
  readonly #isUtf8: boolean;
  /** Of each suspicious text, where it is found next; the file's length where it is not. */
  readonly #next: number[];
  #nearest = -1;
  // What stands around the document of the line before, which is nearly what stands around every document.
  #day = '';
  #time = Number.NaN;
  #action = NOTHING;
  #members = NOTHING;

  constructor(body: BulkBody, names: IndexNames, file: FileLines, open: OpenDays, now: number) {
    this.#body = body;
    this.#names = names;
    this.#file = file;
    this.#documents = new DocumentReader(file.type);
    this.#window = new TimeWindow(now);
    this.#open = open;
    this.#isUtf8 = isUtf8(file.bytes);
    this.#next = SUSPICIOUS.map(() => -1);
  }

  /** Adds the line from `start` to before `end`, behind all that were asked for before, if it is in that form. */
  add(start: number, end: number): boolean {
    const { bytes, position } = this.#file;
    const length = end - start;
    if (!this.#isUtf8 || length > LONGEST || bytes[end - 1] !== CLOSE_BRACE) return false;
    if (this.#nearest < end && this.#isSuspicious(start, end)) return false;
    const time = this.#documents.earlyTime(bytes, start);
    if (time === undefined || !this.#window.has(time)) return false;
    if (time !== this.#time && !this.#turnTo(time)) return false;
    const line = copyOf(bytes, start, end);
    const body = this.#body;
    body.begin(length);
    body.bytes(this.#action);
    body.base36(position.offset + start);
    body.byte(SLASH);
    body.base36(crc32(line));
    body.byte(QUOTE);
    body.byte(CLOSE_BRACE);
    body.byte(CLOSE_BRACE);
    body.byte(NEWLINE);
    body.bytes(line);
    body.cut(1);
    body.bytes(this.#members);
    body.end();
    return true;
  }

  #isSuspicious(start: number, end: number): boolean {
    const { bytes } = this.#file;
    for (let which = 0; which < SUSPICIOUS.length; which++) {
      if ((this.#next[which] as number) >= start) continue;
      const found = bytes.indexOf(SUSPICIOUS[which] as Buffer, start);
      this.#next[which] = found === -1 ? bytes.length : found;
    }
    this.#nearest = Math.min(...this.#next);
    return this.#nearest < end;
  }

  /** Whether that is a time of a day that takes records. */
  #turnTo(time: number): boolean {
    const { type, cluster, host, position } = this.#file;
    const day = dayOf(time);
    const before = `,"cluster":"${cluster}","@timestamp":`;
    // Both times have as many digits: a moment's.
    if (day === this.#day) putDigits(this.#members, before.length, time);
    else {
      if (!this.#open.has(day)) return false;
      this.#day = day;
      const action = actionOf(this.#names.day(type, cluster, day));
      this.#action = Buffer.from(`${action}"_id":"${cluster}/${host}/${position.fileKey}/`);
      this.#members = this.#body.lastMembers(`${before}${time},"host":"${host}"`);
    }
    this.#time = time;
    return true;
  }
}

/** Writes a number over one that has as many digits. */
function putDigits(bytes: Uint8Array, from: number, value: number): void {
  let rest = value;
  for (let at = from + MOMENT_DIGITS - 1; at >= from; at--) {
    const next = Math.floor(rest / 10);
    bytes[at] = ZERO + rest - next * 10;
    rest = next;
  }
}

const scratch = Buffer.alloc(LONGEST);
const views: (Uint8Array | undefined)[] = [];

/** The line's bytes, until the next one is copied: a view for each length serves all lines of that length. */
function copyOf(bytes: Buffer, start: number, end: number): Uint8Array {
  bytes.copy(scratch, 0, start, end);
  const known = views[end - start];
  if (known !== undefined) return known;
  const view = scratch.subarray(0, end - start);
  views[end - start] = view;
  return view;
}
