import { isUtf8 } from 'node:buffer';
import { DocumentReader } from '../../record/document.ts';
import { dayOf } from '../../record/time.ts';
import { TimeWindow } from '../../record/time-window.ts';
import type { OpenDays } from '../retention.ts';
import { type BulkBody, MOMENT_DIGITS } from './bulk-body.ts';
import type { FileLines } from './bulk-lines.ts';
import { actionOf, type IndexNames } from './index-names.ts';
import { LineKernel, LONGEST_TEXT, Stop } from './line-kernel/line-kernel.ts';

const ZERO = 0x30;
const NEWLINE = 0x0a;

/** Is told where the lines begin that were added, counted from there. */
type LinesAdded = (starts: Int32Array, from: number) => void;

/** Made when the first file is shipped; used by one after the other, each from beginning to end. */
let kernel: LineKernel | undefined;

/**
 * The short way of lines into a `_bulk` body, for lines in the form that shippers write; see RecordReader for what each
 * part is for. Brackets are left to Elasticsearch, which parses the line anyway and refuses what does not fit, also what
 * stands behind the end. That is enough: without comments and escapes, what is added before the last brace is either in
 * the outermost object or makes no JSON, since just the one bracket is closed behind it that was cut off, and a string
 * that was left open ends at its first quote.
 *
 * Most lines of a file have the time of the one before, and all up to there in common with it. So the time is read once,
 * and then lines are taken as long as they begin with the same bytes.
 */
export class PlainLines {
  readonly #body: BulkBody;
  readonly #names: IndexNames;
  readonly #file: FileLines;
  readonly #documents: DocumentReader;
  readonly #window: TimeWindow;
  readonly #open: OpenDays;
  readonly #added: LinesAdded;
  readonly #kernel: LineKernel;
  /** The part of the file that is in the kernel's piece. */
  #from = 0;
  #to = 0;
  #isUtf8 = true;
  /** The line whose beginning is that of those that are taken. */
  #turned = -1;
  #day = '';

  constructor(
    body: BulkBody,
    names: IndexNames,
    file: FileLines,
    { open, now, added }: { readonly open: OpenDays; readonly now: number; readonly added: LinesAdded },
  ) {
    this.#body = body;
    this.#names = names;
    this.#file = file;
    this.#documents = new DocumentReader(file.type);
    this.#window = new TimeWindow(now);
    this.#open = open;
    this.#added = added;
    kernel ??= new LineKernel();
    this.#kernel = kernel;
    this.#kernel.begin();
  }

  /**
   * Adds lines, from the one that begins at `start` on, as long as they are in that form. Returns where the first one
   * begins that is in another form, or has no end.
   */
  add(start: number): number {
    const { bytes, position } = this.#file;
    let at = start;
    while (at < bytes.length) {
      if (at >= this.#to) this.#load(at);
      if (!this.#isUtf8) break;
      const from = this.#from;
      const next = from + this.#kernel.take(at - from, this.#to - from, position.offset + from);
      const goesOn = this.#canGoOn(next);
      at = next;
      if (!goesOn) break;
    }
    this.#addItems();
    return at;
  }

  /** Makes the kernel ready for what it has stopped at, if it may be in the form. */
  #canGoOn(next: number): boolean {
    switch (this.#kernel.stopped) {
      case Stop.otherForm:
        return false;
      case Stop.otherBeginning:
        if (this.#turned === next) return false;
        this.#turned = next;
        return this.#turnTo(next);
      case Stop.full:
        this.#addItems();
        return true;
      case Stop.part:
        if (next === this.#to) return true;
        // It has no end, or is longer than the form allows.
        if (next === this.#from || this.#to === this.#file.bytes.length) return false;
        this.#load(next);
    }
    return true;
  }

  #addItems(): void {
    const { bytes, ends, starts } = this.#kernel.items();
    this.#body.items(bytes, ends);
    this.#added(starts, this.#from);
  }

  /** Pieces are checked where they are: what was copied a moment ago is still at hand for the processor. */
  #load(from: number): void {
    this.#addItems();
    const { bytes } = this.#file;
    const { piece } = this.#kernel;
    this.#from = from;
    this.#to = Math.min(from + piece.length, bytes.length);
    const length = bytes.copy(piece, 0, from, this.#to);
    // A line that is cut may end within a character.
    this.#isUtf8 = isUtf8(piece.subarray(0, piece.lastIndexOf(NEWLINE, length - 1) + 1));
  }

  /** Has lines taken that begin as the one there does up to its time, if that is one of a day that takes records. */
  #turnTo(start: number): boolean {
    const { bytes } = this.#file;
    const time = this.#documents.earlyTime(bytes, start);
    if (time === undefined || !this.#window.has(time)) return false;
    const { end } = this.#documents;
    if (end - start > LONGEST_TEXT || !this.#has(time)) return false;
    this.#kernel.beginning.put(bytes.subarray(start, end));
    return true;
  }

  /** Whether that is a time of a day that takes records; then what stands around a document is of that time. */
  #has(time: number): boolean {
    const { type, cluster, host, position } = this.#file;
    const { action, members } = this.#kernel;
    const day = dayOf(time);
    const before = `,"cluster":"${cluster}","@timestamp":`;
    // Both times have as many digits: a moment's.
    if (day === this.#day) {
      putDigits(members.bytes, before.length, time);
      return true;
    }
    if (!this.#open.has(day)) return false;
    this.#day = day;
    action.put(
      Buffer.from(`${actionOf(this.#names.day(type, cluster, day))}"_id":"${cluster}/${host}/${position.fileKey}/`),
    );
    members.put(this.#body.lastMembers(`${before}${time},"host":"${host}"`));
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
