import { isUtf8 } from 'node:buffer';
import { DocumentReader } from '../../record/document.ts';
import { dayOf } from '../../record/time.ts';
import { TimeWindow } from '../../record/time-window.ts';
import type { OpenDays } from '../retention.ts';
import type { BulkBody } from './bulk-body.ts';
import type { FileLines } from './bulk-lines.ts';
import { actionOf, type IndexNames } from './index-names.ts';
import { LineKernel, LONGEST_TEXT, Stop } from './line-kernel/line-kernel.ts';

const NEWLINE = 0x0a;
const DAY = 86_400_000;

/** Is told where the lines begin that were added. */
type LinesAdded = (starts: Int32Array) => void;

/** Made when the first file is shipped; used by one after the other, each from beginning to end. */
let kernel: LineKernel | undefined;

/**
 * The short way of lines into a `_bulk` body, for lines in the form that shippers write; see RecordReader for what each
 * part is for. Brackets are left to Elasticsearch, which parses the line anyway and refuses what does not fit, also what
 * stands behind the end. That is enough: without comments and escapes, what is added before the last brace is either in
 * the outermost object or makes no JSON, since just the one bracket is closed behind it that was cut off, and a string
 * that was left open ends at its first quote.
 *
 * Most lines of a file have all up to their time in common with the one before, but for digits, and a time of the same
 * day. So it is read once, and then lines are taken as long as they begin like that one. Digits can be other ones where
 * the time is nothing but digits, seconds: they make no other member of what they stand in, since no name of a time has any.
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
  /** Where the moment stands in what is added to each line. */
  #momentAt = 0;

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
    this.#kernel.clear(this.#body.length);
    while (at < bytes.length) {
      if (at >= this.#to) this.#load(at);
      if (!this.#isUtf8) break;
      const from = this.#from;
      const next = from + this.#kernel.take(at - from, this.#to - from, from, position.offset);
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
    const { bytes, ends, starts } = this.#kernel.items;
    this.#body.items(bytes, ends);
    this.#added(starts);
    this.#kernel.clear(this.#body.length);
  }

  /** Pieces are checked where they are: what was copied a moment ago is still at hand for the processor. */
  #load(from: number): void {
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
    const { end, digits } = this.#documents;
    if (end - start > LONGEST_TEXT || !this.#surround(time)) return false;
    const day = Math.floor(time / DAY) * DAY;
    this.#kernel.turn({
      start: start - this.#from,
      length: end - start,
      digits,
      from: day / 1000,
      to: Math.floor(Math.min(day + DAY - 1, this.#window.to) / 1000),
      at: this.#momentAt,
    });
    return true;
  }

  /** Has that time put around documents, if it is of a day that takes records. */
  #surround(time: number): boolean {
    const { type, cluster, host, position } = this.#file;
    const day = dayOf(time);
    if (day !== this.#day && !this.#open.has(day)) return false;
    this.#day = day;
    const before = `,"cluster":"${cluster}","@timestamp":`;
    this.#momentAt = before.length;
    this.#kernel.surround(
      Buffer.from(`${actionOf(this.#names.day(type, cluster, day))}"_id":"${cluster}/${host}/${position.fileKey}/`),
      this.#body.lastMembers(`${before}${time},"host":"${host}"`),
    );
    return true;
  }
}
