import { resolve } from 'node:path';
import type { UploadAnswer } from '../ingest/upload.ts';
import type { Checkpoint, Position } from './checkpoint.ts';
import { cutBytes, type FileChunk, halves } from './file-chunk.ts';
import { type FilePlace, FileTrouble, tailHash } from './log-file.ts';
import type { OpenInput } from './open-inputs.ts';
import type { ForwardEvents, ForwardSummary } from './summary.ts';
import { NotAcknowledged, type Uploader } from './uploader.ts';

/** Uploads under way at once; each is in memory. */
export const IN_FLIGHT = 3;

export interface ShipmentOptions {
  readonly destination: string;
  readonly uploader: Uploader;
  readonly checkpoint: Checkpoint;
  readonly summary: ForwardSummary;
  readonly events: ForwardEvents;
  /** About how many bytes go into one upload. */
  readonly chunkBytes: number;
  readonly signal: AbortSignal;
}

/** A file on its way. */
interface Passage {
  readonly input: OpenInput;
  /** Nothing more of it is shipped in this run: what comes later must not count before what came earlier. */
  readonly stop: AbortController;
}

interface Sent {
  readonly passage: Passage;
  readonly chunk: FileChunk;
  readonly answer: Promise<UploadAnswer>;
}

/**
 * The way of files to the manager: a few uploads under way at once, acknowledged in the order in which they were sent.
 * A file that is held back, or cannot be read on, does not keep the others.
 */
export class Shipment {
  readonly #options: ShipmentOptions;
  readonly #window: Sent[] = [];

  constructor(options: ShipmentOptions) {
    this.#options = options;
  }

  /**
   * Ships the files, in that order.
   * @throws UserError when the manager refuses this forwarder, or a position cannot be saved.
   */
  async ship(inputs: readonly OpenInput[]): Promise<void> {
    const { checkpoint, summary } = this.#options;
    const passages = inputs.map((input): Passage => ({ input, stop: new AbortController() }));
    // Also where nothing is new: the file is still there, and the next run compares with how much there was.
    await checkpoint.advance(...inputs.map((input) => this.#position(input, input.from)));
    for (const { type, file, from } of inputs) summary.of(type).leftBytes += file.size - from.offset;
    try {
      for (const passage of passages) await this.#send(passage);
      while (this.#window.length > 0) await this.#acknowledgeOldest();
    } finally {
      for (const { stop } of passages) stop.abort();
      await Promise.allSettled(this.#window.map(({ answer }) => answer));
    }
  }

  async #send(passage: Passage): Promise<void> {
    const { uploader, summary, events, chunkBytes } = this.#options;
    const { input, stop } = passage;
    const { file, type, key, from } = input;
    events.detail(`${file.path}: ${file.size - from.offset} bytes from offset ${from.offset}`);
    const signal = AbortSignal.any([this.#options.signal, stop.signal]);
    try {
      for await (const chunk of file.chunks(from, chunkBytes)) {
        const answer = uploader.upload({ type, fileKey: key, chunk }, signal);
        // It is awaited in its turn; until then a failure must not count as unhandled.
        answer.catch(() => undefined);
        this.#window.push({ passage, chunk, answer });
        if (this.#window.length >= IN_FLIGHT) await this.#acknowledgeOldest();
        if (stop.signal.aborted) return;
      }
    } catch (error) {
      if (!(error instanceof FileTrouble)) throw error;
      // What was read before is that file's all the same, and is acknowledged in its turn.
      summary.incomplete.push(`${file.path}: ${error.message}; the rest is left for the next run`);
      return;
    }
    summary.of(type).leftBytes -= file.unfinished;
    summary.of(type).unfinishedBytes += file.unfinished;
  }

  /** In the order of the file: what comes after an upload that failed is not acknowledged either. */
  async #acknowledgeOldest(): Promise<void> {
    const [oldest] = this.#window;
    if (oldest === undefined) return;
    const { passage, chunk } = oldest;
    try {
      if (!passage.stop.signal.aborted) await this.#acknowledge(passage.input, chunk, await oldest.answer);
    } catch (error) {
      if (!(error instanceof NotAcknowledged)) throw error;
      await this.#holdBack(passage, chunk, error);
    }
    this.#window.shift();
  }

  async #acknowledge(input: OpenInput, chunk: FileChunk, answer: UploadAnswer): Promise<void> {
    const { checkpoint, summary, events } = this.#options;
    const { file, type } = input;
    await checkpoint.advance(this.#position(input, { offset: chunk.end, tail: tailHash(chunk.after) }));
    const counts = summary.of(type);
    counts.shipped += answer.accepted;
    counts.known += answer.known;
    counts.setAside += answer.setAside;
    counts.bytes += chunk.end - chunk.offset;
    counts.leftBytes -= chunk.end - chunk.offset;
    this.#tellSetAside(file.path, chunk, answer);
    events.detail(`${file.path}: acknowledged up to offset ${chunk.end} of ${file.size}`);
  }

  /** Whatever of the chunk can be stored before the first record that cannot is acknowledged all the same. */
  async #holdBack(passage: Passage, chunk: FileChunk, error: NotAcknowledged): Promise<void> {
    const { input, stop } = passage;
    const held = error.answered ? await this.#shipInHalves(input, chunk, error) : error;
    if (held === undefined) return;
    stop.abort();
    this.#options.summary.incomplete.push(`${input.file.path}: ${held.message}; the rest is left for the next run`);
  }

  /** Returns why not all of the chunk is acknowledged; undefined when in the end all of it is. */
  async #shipInHalves(
    input: OpenInput,
    chunk: FileChunk,
    error: NotAcknowledged,
  ): Promise<NotAcknowledged | undefined> {
    const { uploader, signal } = this.#options;
    const { type, key } = input;
    const parts = [...halves(chunk)];
    if (parts.length === 0) return error;
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      try {
        const answer = await uploader.uploadOnce({ type, fileKey: key, chunk: part }, signal);
        await this.#acknowledge(input, part, answer);
      } catch (failure) {
        if (!(failure instanceof NotAcknowledged)) throw failure;
        const smaller = halves(part);
        if (smaller.length === 0 || !failure.answered) return failure;
        parts.unshift(...smaller);
      }
    }
    return undefined;
  }

  #position({ type, file, key, input }: OpenInput, { offset, tail }: FilePlace): Position {
    return {
      destination: this.#options.destination,
      type: type.name,
      fileKey: key,
      device: file.device,
      inode: file.inode,
      offset,
      tail,
      size: file.size,
      path: resolve(file.path),
      input,
      updated: new Date().toISOString(),
    };
  }

  #tellSetAside(path: string, chunk: FileChunk, { setAside, reasons }: UploadAnswer): void {
    const { warning } = this.#options.events;
    const cut = cutBytes(chunk);
    for (const { offset, reason } of reasons) warning(`${path}: a record at offset ${offset} was set aside: ${reason}`);
    if (cut > 0) warning(`${path}: of the record at offset ${chunk.offset} the last ${cut} bytes were not sent`);
    const more = setAside - reasons.length;
    if (reasons.length > 0 && more > 0) warning(`${path}: ${more} more were set aside`);
  }
}
