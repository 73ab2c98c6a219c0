import type { Shortcoming } from '../../logs/query/shortcoming.ts';
import type { RecordLines } from '../logs/log-page.ts';
import type { LogReads, LogSource } from '../logs/log-reads.ts';
import { Shortcomings } from '../logs/shortcomings.ts';
import { unsteeringLines } from '../print.ts';
import type { ExportDirectory } from './export-directory.ts';
import { addFile, type ExportedLog } from './manifest.ts';
import { Part } from './part.ts';

/** Bytes of a file, before it is compressed: a kill costs what a file has so far, and tools read several at once. */
const PART_BYTES = 32 * 1024 * 1024;

export interface ExportLogOptions {
  readonly reads: LogReads;
  readonly directory: ExportDirectory;
  readonly compressed: boolean;
  /** Told of records as they are written. */
  readonly onRecords: (count: number) => void;
  /** Told of a file that is in place and noted in the manifest. */
  readonly onFile: () => Promise<void>;
  readonly signal: AbortSignal;
  readonly partBytes?: number;
}

/** Exports what is still missing of one type of one cluster. That the API server refuses it is noted, and no failure. */
export async function exportLog(source: LogSource, log: ExportedLog, options: ExportLogOptions): Promise<void> {
  const writing = new LogExport(source, log, options);
  try {
    await writing.run();
  } finally {
    await writing.abandon();
  }
}

class LogExport {
  readonly #source: LogSource;
  readonly #log: ExportedLog;
  readonly #options: ExportLogOptions;
  readonly #shortcomings = new Shortcomings();
  #part: Part | undefined;

  constructor(source: LogSource, log: ExportedLog, options: ExportLogOptions) {
    this.#source = source;
    this.#log = log;
    this.#options = options;
    this.#shortcomings.add(log.shortcomings);
  }

  async run(): Promise<void> {
    const { reads, partBytes = PART_BYTES } = this.#options;
    let reading = reads.page(this.#source, this.#log.continue);
    for (;;) {
      const read = await reading;
      if ('refused' in read) {
        this.#note([read.refused]);
        return;
      }
      const { next, list } = read.answer;
      if (next !== undefined) {
        // Read while this page is still on its way, and then written.
        reading = reads.page(this.#source, next, read.path);
        reading.catch(() => undefined);
      }
      await this.#write(await list);
      if (next === undefined || (this.#part?.length ?? 0) >= partBytes) await this.#commit(next);
      if (next === undefined) break;
    }
    this.#log.finished = true;
    this.#log.continue = undefined;
  }

  async #write({ lines, records, shortcomings }: RecordLines): Promise<void> {
    this.#note(shortcomings);
    if (records === 0) return;
    this.#part ??= await this.#begin();
    await this.#part.write(unsteeringLines(lines), records);
    this.#options.onRecords(records);
  }

  #note(shortcomings: readonly Shortcoming[]): void {
    this.#shortcomings.add(shortcomings);
    this.#log.shortcomings = this.#shortcomings.all;
  }

  async abandon(): Promise<void> {
    await this.#part?.abandon();
  }

  /** `flow/prod-eu.00001.ndjson`: names of clusters have no dots. */
  async #begin(): Promise<Part> {
    const { type, cluster, files } = this.#log;
    const number = String(files.length + 1).padStart(5, '0');
    const ending = this.#options.compressed ? 'ndjson.gz' : 'ndjson';
    return await Part.begin(this.#options.directory, `${type}/${cluster}.${number}.${ending}`);
  }

  async #commit(next: string | undefined): Promise<void> {
    const part = this.#part;
    if (part === undefined) return;
    const file = await part.commit();
    this.#part = undefined;
    addFile(this.#options.directory.manifest, this.#log, file, next);
    // In the same save as the file: from the beginning is where a log goes on that has nowhere to go on from.
    this.#log.finished = next === undefined;
    await this.#options.onFile();
  }
}
