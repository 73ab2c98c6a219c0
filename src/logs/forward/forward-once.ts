import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { codeOf, messageOf, systemWords } from '../../errors.ts';
import type { UploadAnswer } from '../ingest/upload.ts';
import type { LogType } from '../types/log-type.ts';
import { Checkpoint } from './checkpoint.ts';
import type { ForwardInput } from './config.ts';
import { type FileChunk, LogFile } from './log-file.ts';
import { NotAcknowledged, Uploader, type UploaderOptions } from './uploader.ts';

export interface ForwardOptions extends Omit<UploaderOptions, 'connections' | 'onRetry'> {
  readonly inputs: readonly ForwardInput[];
  readonly stateDirectory: string;
  /** About how many bytes go into one upload. */
  readonly chunkBytes: number;
  readonly signal: AbortSignal;
  readonly events: ForwardEvents;
}

/** What a forwarder has to say while it works. */
export interface ForwardEvents {
  warning(text: string): void;
  /** Details, for those who ask for them. */
  detail(text: string): void;
}

/** What became of the files of one log type. */
export interface TypeSummary {
  readonly type: LogType;
  /** Records acknowledged as stored in this run. */
  shipped: number;
  /** Of those, how many the store had already. */
  known: number;
  /** Records acknowledged as dead letters. */
  setAside: number;
  bytes: number;
  /** Bytes of lines that were there at the start and are not acknowledged. */
  leftBytes: number;
  /** Bytes of last lines that were not written to their end yet: no records, so far. */
  unfinishedBytes: number;
}

export interface ForwardSummary {
  readonly types: readonly TypeSummary[];
  /** Named files that are not there or cannot be read; the others were shipped all the same. */
  readonly unreadable: readonly string[];
  /** Why the run ended before everything was acknowledged. */
  readonly stopped: string | undefined;
}

/** Uploads under way at once; each is in memory. */
const IN_FLIGHT = 3;

interface OpenInput {
  readonly file: LogFile;
  readonly key: string;
  readonly summary: TypeSummary;
}

interface Sent {
  readonly input: OpenInput;
  readonly chunk: FileChunk;
  readonly answer: Promise<UploadAnswer>;
}

/**
 * Ships what is new in the files, up to where they ended when it began, and remembers how far everything has been
 * acknowledged.
 *
 * @throws UserError when the manager refuses this forwarder, or the state directory cannot be used.
 */
export async function forwardOnce(options: ForwardOptions): Promise<ForwardSummary> {
  return await new Run(options).go();
}

class Run {
  readonly #options: ForwardOptions;
  readonly #checkpoint: Checkpoint;
  readonly #uploader: Uploader;
  readonly #summaries = new Map<LogType, TypeSummary>();
  readonly #unreadable: string[] = [];
  readonly #window: Sent[] = [];
  /** Ends the uploads under way once one of them has failed. */
  readonly #giveUp = new AbortController();
  readonly #signal: AbortSignal;
  readonly #destination: string;

  constructor(options: ForwardOptions) {
    const { events } = options;
    this.#options = options;
    // A management plane is its CA: its address may change.
    this.#destination = `${options.cluster}@${new X509Certificate(options.ca).fingerprint256.replaceAll(':', '').slice(0, 16)}`;
    this.#signal = AbortSignal.any([options.signal, this.#giveUp.signal]);
    this.#checkpoint = Checkpoint.load(options.stateDirectory, (reason) =>
      events.warning(
        `the checkpoint cannot be read and everything is sent again (nothing gets stored twice): ${reason}`,
      ),
    );
    this.#uploader = new Uploader({ ...options, connections: IN_FLIGHT, onRetry: events.detail });
  }

  async go(): Promise<ForwardSummary> {
    let stopped: string | undefined;
    // All at the start, so that the ends of all files are those of one moment.
    const inputs = await this.#openInputs();
    try {
      for (const input of inputs) await this.#ship(input);
      while (this.#window.length > 0) await this.#acknowledgeOldest();
    } catch (error) {
      if (!(error instanceof NotAcknowledged) && !this.#options.signal.aborted) throw error;
      stopped = this.#options.signal.aborted ? 'interrupted' : messageOf(error);
    } finally {
      this.#giveUp.abort();
      await Promise.allSettled(this.#window.map(({ answer }) => answer));
      await this.#uploader.close();
      for (const { file } of inputs) await file.close();
    }
    return { types: [...this.#summaries.values()], unreadable: this.#unreadable, stopped };
  }

  async #openInputs(): Promise<readonly OpenInput[]> {
    const inputs: OpenInput[] = [];
    for (const { type, path, named } of this.#options.inputs) {
      try {
        const file = await LogFile.open(path);
        const summary = this.#summaryOf(type);
        if (file.key === undefined) {
          summary.unfinishedBytes += file.size;
          await file.close();
        } else {
          inputs.push({ file, key: file.key, summary });
        }
      } catch (error) {
        if (named) this.#unreadable.push(`${path}: ${systemWords(error)}`);
        else if (codeOf(error) !== 'ENOENT') this.#options.events.warning(`${path}: ${systemWords(error)}`);
      }
    }
    return inputs;
  }

  #summaryOf(type: LogType): TypeSummary {
    const known = this.#summaries.get(type);
    if (known !== undefined) return known;
    const summary = { type, shipped: 0, known: 0, setAside: 0, bytes: 0, leftBytes: 0, unfinishedBytes: 0 };
    this.#summaries.set(type, summary);
    return summary;
  }

  async #ship(input: OpenInput): Promise<void> {
    const { file, key, summary } = input;
    const offset = this.#resumeAt(input);
    summary.leftBytes += file.size - offset;
    this.#options.events.detail(`${file.path}: ${file.size - offset} bytes from offset ${offset}`);
    for await (const chunk of file.chunks(offset, this.#options.chunkBytes)) {
      const answer = chunk.tooLong
        ? Promise.resolve(this.#leaveOut(file, chunk))
        : this.#uploader.upload({ type: summary.type, fileKey: key, chunk }, this.#signal);
      // It is awaited in its turn; until then a failure must not count as unhandled.
      answer.catch(() => undefined);
      this.#window.push({ input, chunk, answer });
      if (this.#window.length >= IN_FLIGHT) await this.#acknowledgeOldest();
    }
    summary.leftBytes -= file.unfinished;
    summary.unfinishedBytes += file.unfinished;
  }

  #resumeAt({ file, key, summary }: OpenInput): number {
    const offset = this.#checkpoint.offsetOf(this.#place(summary.type, key));
    if (offset <= file.size) return offset;
    this.#options.events.warning(
      `${file.path} is shorter than what was shipped of it; it is shipped from its beginning`,
    );
    return 0;
  }

  #place({ name }: LogType, fileKey: string) {
    return { destination: this.#destination, type: name, fileKey };
  }

  #leaveOut(file: LogFile, { offset, end }: FileChunk): UploadAnswer {
    const reason = `${end - offset} bytes in one line are too many`;
    this.#options.events.warning(`${file.path}: a record at offset ${offset} was left out: ${reason}`);
    return { accepted: 0, known: 0, setAside: 1, reasons: [] };
  }

  /** In the order of the file: what comes after an upload that failed is not acknowledged either. */
  async #acknowledgeOldest(): Promise<void> {
    const [oldest] = this.#window;
    if (oldest === undefined) return;
    const { input, chunk } = oldest;
    const { file, key, summary } = input;
    const answer = await oldest.answer;
    this.#window.shift();
    const updated = new Date().toISOString();
    const place = this.#place(summary.type, key);
    await this.#checkpoint.advance({ ...place, offset: chunk.end, path: resolve(file.path), updated });
    summary.shipped += answer.accepted;
    summary.known += answer.known;
    summary.setAside += answer.setAside;
    summary.bytes += chunk.end - chunk.offset;
    summary.leftBytes -= chunk.end - chunk.offset;
    this.#tellReasons(file, answer);
    this.#options.events.detail(`${file.path}: acknowledged up to offset ${chunk.end} of ${file.size}`);
  }

  #tellReasons(file: LogFile, { setAside, reasons }: UploadAnswer): void {
    const { warning } = this.#options.events;
    for (const { offset, reason } of reasons)
      warning(`${file.path}: a record at offset ${offset} was set aside: ${reason}`);
    const more = setAside - reasons.length;
    if (reasons.length > 0 && more > 0) warning(`${file.path}: ${more} more were set aside`);
  }
}
