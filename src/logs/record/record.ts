import { isUtf8 } from 'node:buffer';
import type { LogType } from '../types/log-type.ts';
import { type Document, DocumentReader } from './document.ts';
import { isBlank, type Line } from './lines.ts';
import { RecordIds, type UploadSource } from './source.ts';
import { dayOf } from './time.ts';
import { TimeWindow } from './time-window.ts';

/** One record, ready to be stored. */
export interface LogRecord {
  readonly id: string;
  /** `yyyymmdd`, the UTC day of the record's own time. */
  readonly day: string;
  /** Its line as it came. */
  readonly line: Line;
  readonly document: Document;
  /** JSON members to add to the document: `"cluster":"prod-eu","@timestamp":1597166383000`. */
  readonly added: string;
  /** Checksum of what may differ although the id is the same; undefined where the id says all. */
  readonly checksum?: string;
}

/** A line that is no record, or that the store refused for its own fault; kept apart, with the reason. */
export interface DeadLetter {
  readonly id: string;
  readonly line: Line;
  readonly reason: string;
}

export type ReadLine =
  | { readonly kind: 'record'; readonly record: LogRecord }
  | { readonly kind: 'dead-letter'; readonly letter: DeadLetter }
  | { readonly kind: 'blank' };

/** Turns the lines of one upload into records, one after the other. */
export interface LineReader {
  read(line: Line): ReadLine;
}

/** Reads records as node's log files hold them. */
export class RecordReader implements LineReader {
  readonly #ids: RecordIds;
  readonly #documents: DocumentReader;
  readonly #cluster: string;
  readonly #host: string;
  readonly #window: TimeWindow;
  // Of the record before: most have the same time, and then the same is added to them.
  #time = Number.NaN;
  #added = '';

  constructor(type: LogType, source: UploadSource, now = Date.now()) {
    this.#window = new TimeWindow(now);
    this.#ids = new RecordIds(source, type);
    this.#documents = new DocumentReader(type);
    this.#cluster = `"cluster":${JSON.stringify(source.cluster)}`;
    this.#host = source.host === undefined ? '' : `,"host":${JSON.stringify(source.host)}`;
  }

  read(line: Line): ReadLine {
    if (isBlank(line.bytes)) return { kind: 'blank' };
    const id = this.#ids.next(line);
    try {
      if (line.length > line.bytes.length) throw new Error(`${line.length} bytes in one line are too many`);
      if (!isUtf8(line.bytes)) throw new Error('not UTF-8');
      const document = this.#documents.read(line.bytes);
      this.#window.check(document.time);
      const added = this.#addedTo(document);
      return { kind: 'record', record: { id, day: dayOf(document.time), line, document, added } };
    } catch (error) {
      return { kind: 'dead-letter', letter: { id, line, reason: (error as Error).message } };
    }
  }

  #addedTo({ time, hasHost }: Document): string {
    if (hasHost) return `${this.#cluster},"@timestamp":${time}`;
    if (time !== this.#time) {
      this.#time = time;
      this.#added = `${this.#cluster},"@timestamp":${time}${this.#host}`;
    }
    return this.#added;
  }
}
