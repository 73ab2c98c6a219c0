import { lineOf } from '../../record/lines.ts';
import { type DeadLetter, type LogRecord, RecordReader } from '../../record/record.ts';
import type { FilePosition } from '../../record/source.ts';
import type { LogType } from '../../types/log-type.ts';
import { OpenDays } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { BulkBody } from './bulk-body.ts';
import { actionOf, IndexNames } from './index-names.ts';
import { PlainLines } from './plain-lines.ts';

const NEWLINE = 0x0a;

/** Whole lines of one file, and where they stand in it. */
export interface FileLines {
  readonly type: LogType;
  readonly cluster: string;
  readonly host: string;
  readonly position: FilePosition;
  readonly bytes: Buffer;
}

/**
 * Lines of a file as the items of a `_bulk` body. What is stored of a line is what RecordReader makes of it, to the byte;
 * but most lines get there the short way of PlainLines, which leaves it to Elasticsearch to find what is wrong with one.
 * What it refuses is looked at by RecordReader then.
 */
export class BulkLines {
  readonly body: BulkBody;
  readonly #settings: CurrentSettings;
  readonly #names: IndexNames;
  #file: FileLines | undefined;
  /** Where each item's line begins in the file's bytes. Used again as well. */
  #starts = new Int32Array(4096);
  /** Items that RecordReader has seen. */
  readonly #read = new Set<number>();

  constructor(settings: CurrentSettings, capacity: number) {
    this.#settings = settings;
    this.#names = new IndexNames(settings);
    this.body = new BulkBody(capacity);
  }

  /** Takes a file's lines, in place of those that it had. Returns those that are no records. */
  fill(file: FileLines, now: number): DeadLetter[] {
    const letters: DeadLetter[] = [];
    const { bytes } = file;
    this.#file = file;
    this.body.clear(now);
    const open = this.#openDays(file, now);
    this.#read.clear();
    const added = (starts: Int32Array) => this.#noteStarts(starts, this.body.count - starts.length);
    const plain = new PlainLines(this.body, this.#names, file, { open, now, added });
    const reader = new RecordReader(file.type, file, now);
    for (let start = plain.add(0), end = bytes.indexOf(NEWLINE, start); end !== -1; ) {
      const letter = this.#readLine(file, reader, open, start, end);
      if (letter !== undefined) letters.push(letter);
      start = plain.add(end + 1);
      end = bytes.indexOf(NEWLINE, start);
    }
    return letters;
  }

  /**
   * Whether a status that says nothing for sure may be for an item that is no JSON object: "extra data after parsing" is
   * of a type that also stands for what is no fault of the document's.
   */
  isMalformed(item: number, status: number): boolean {
    return status === 400 && !this.#read.has(item);
  }

  /**
   * An item that was refused: a dead letter, unless it is to be sent again in another form; then that is a new item, the
   * body's last.
   */
  refused(item: number, reason: string): DeadLetter | undefined {
    const file = this.#file as FileLines;
    const start = this.#starts[item] as number;
    const end = file.bytes.indexOf(NEWLINE, start);
    const reader = new RecordReader(file.type, file);
    if (!this.#read.has(item)) return this.#readLine(file, reader, this.#openDays(file, Date.now()), start, end);
    const line = lineAt(file, start, end);
    const read = reader.read(line);
    return { id: read.kind === 'record' ? read.record.id : '', line, reason };
  }

  /** Leaves nothing but these items, which are given in their order. */
  keep(items: readonly number[]): void {
    this.body.keep(items);
    const read = items.flatMap((item, at) => (this.#read.has(item) ? [at] : []));
    this.#read.clear();
    for (const at of read) this.#read.add(at);
    for (const [at, item] of items.entries()) this.#starts[at] = this.#starts[item] as number;
  }

  #noteStarts(starts: ArrayLike<number>, from: number): void {
    if (from + starts.length > this.#starts.length) {
      const longer = new Int32Array((from + starts.length) * 2);
      longer.set(this.#starts);
      this.#starts = longer;
    }
    this.#starts.set(starts, from);
  }

  #openDays({ type, cluster }: FileLines, now: number): OpenDays {
    return new OpenDays(this.#settings.value.retention, type.name, cluster, now);
  }

  #readLine(file: FileLines, reader: RecordReader, open: OpenDays, start: number, end: number): DeadLetter | undefined {
    const read = reader.read(lineAt(file, start, end));
    if (read.kind === 'dead-letter') return read.letter;
    if (read.kind === 'blank') return undefined;
    const { id, line, day } = read.record;
    if (!open.has(day)) return { id, line, reason: open.reason(day) };
    this.#add(file, read.record);
    this.#noteStarts([start], this.body.count - 1);
    this.#read.add(this.body.count - 1);
    return undefined;
  }

  #add({ type, cluster }: FileLines, { id, day, document, added }: LogRecord): void {
    this.body.begin(document.open.length);
    // Neither names of indices nor ids of lines with a position hold anything that JSON would escape.
    this.body.ascii(`${actionOf(this.#names.day(type, cluster, day))}"_id":"${id}"}}\n`);
    this.body.bytes(document.open);
    this.body.bytes(this.body.lastMembers(`,${added}`));
    this.body.end();
  }
}

function lineAt({ bytes, position }: FileLines, start: number, end: number) {
  return lineOf(position.offset + start, bytes.subarray(start, end));
}
