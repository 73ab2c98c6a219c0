import { resolve } from 'node:path';
import type { Turns } from '../../turns.ts';
import type { UploadAnswer } from '../ingest/upload.ts';
import type { Checkpoint, Position } from './checkpoint.ts';
import type { ChunkUploader, NotAcknowledged, UploadRequest } from './chunk-uploader.ts';
import { cutBytes, type FileChunk } from './file-chunk.ts';
import type { ForwardMetrics } from './forward-metrics.ts';
import type { GapLedger } from './gap-ledger.ts';
import { inHalves } from './halving.ts';
import { type FilePlace, tailHash } from './log-file.ts';
import type { OpenInput } from './open-inputs.ts';
import type { Spool } from './spool.ts';
import type { ForwardEvents, ForwardSummary } from './summary.ts';

/** Uploads under way at once, of all files; each is in memory. */
export const IN_FLIGHT = 2;

/** What the ways of all files have in common. */
export interface Crossing {
  readonly destination: string;
  readonly uploader: ChunkUploader;
  readonly checkpoint: Checkpoint;
  readonly spool: Spool;
  readonly gaps: GapLedger;
  readonly summary: ForwardSummary;
  readonly metrics?: ForwardMetrics;
  readonly events: ForwardEvents;
  /** About how many bytes go into one upload. */
  readonly chunkBytes: number;
  /** A turn is an upload's memory: it is taken before its bytes are read. */
  readonly turns: Turns;
  /** An upload that fails is made again for a while; otherwise the file is read again by whoever follows it. */
  readonly insist: boolean;
  /** Of an upload that was refused, what can be stored before the first record that cannot is sent by itself. */
  readonly halve: boolean;
  /** Memory of uploads that are done, for the next ones: made anew each time, it would be collected late. */
  readonly memories: Buffer[];
  /** Nothing more is read; what is under way goes on. */
  readonly stop: AbortSignal;
  /** What is under way is given up. */
  readonly signal: AbortSignal;
}

/** What a passage was stopped by: it has nothing to say, the failure is told where it happened. */
const FAILED = Symbol('failed');

/**
 * The way of one file to the manager, from a place to where the file ended when it was looked at last: uploads are
 * acknowledged in the order in which they were sent. What comes after one that failed must not count before it.
 */
export class Passage {
  readonly #input: OpenInput;
  readonly #crossing: Crossing;
  readonly #failed = new AbortController();
  /** What has failed first: what is given up for it has nothing to say of its own. */
  #failure: unknown;
  readonly #signal: AbortSignal;
  #acknowledged: FilePlace;
  #last: Promise<void> = Promise.resolve();
  /** The position of what is acknowledged. Sending does not wait for it: what is not saved is known by its ids. */
  #saved: Promise<void> = Promise.resolve();
  #underWay = 0;
  #heardAt = 0;

  constructor(input: OpenInput, from: FilePlace, crossing: Crossing) {
    this.#input = input;
    this.#crossing = crossing;
    this.#acknowledged = from;
    this.#signal = AbortSignal.any([crossing.signal, this.#failed.signal]);
  }

  /** Everything of the file before it is acknowledged. */
  get acknowledged(): FilePlace {
    return this.#acknowledged;
  }

  /**
   * Resolves when everything is on its way, or an upload has failed.
   * @throws FileTrouble when the file cannot be read on; what was read before is acknowledged in its turn all the same.
   * @throws what `stop` was aborted with.
   */
  async send(): Promise<void> {
    const { turns, memories, stop, events, chunkBytes } = this.#crossing;
    const { file } = this.#input;
    const from = this.#acknowledged;
    events.detail(`${file.path}: ${file.size - from.offset} bytes from offset ${from.offset}`);
    let memory: Buffer | undefined;
    const chunks = file.chunks(from, chunkBytes, () => memory);
    for (;;) {
      const leave = await turns.enter(AbortSignal.any([stop, this.#failed.signal])).catch((error: unknown) => {
        if (error === FAILED) return undefined;
        throw error;
      });
      if (leave === undefined) return;
      const own = memories.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
      const done = () => {
        memories.push(own);
        leave();
      };
      memory = own;
      let chunk: FileChunk | undefined;
      try {
        chunk = (await chunks.next()).value ?? undefined;
      } finally {
        if (chunk === undefined) done();
      }
      if (chunk === undefined) return;
      this.#upload(chunk, done);
    }
  }

  /** Milliseconds for which what is under way has had no answer; 0 when nothing is. */
  get silence(): number {
    return this.#underWay === 0 ? 0 : performance.now() - this.#heardAt;
  }

  /** Gives up what is under way: nothing has come of it for too long. */
  abandon(reason: NotAcknowledged): void {
    this.#failed.abort(reason);
  }

  /**
   * Resolves once everything that was sent is acknowledged, and the position saved.
   * @throws NotAcknowledged when the manager holds the file back: it is acknowledged up to there.
   * @throws UserError when the manager refuses this forwarder, or a position cannot be saved.
   */
  async settled(): Promise<void> {
    try {
      await this.#last;
    } catch (error) {
      throw error === FAILED ? this.#failure : error;
    } finally {
      await this.#saved;
    }
  }

  #upload(chunk: FileChunk, leave: () => void): void {
    const { uploader, insist } = this.#crossing;
    const request = this.#requestFor(chunk);
    const answer = insist ? uploader.upload(request, this.#signal) : uploader.uploadOnce(request, this.#signal);
    if (this.#underWay++ === 0) this.#heardAt = performance.now();
    const before = this.#last;
    this.#last = this.#inTurn(before, chunk, answer)
      .catch((error: unknown) => {
        this.#fail(error);
        throw error;
      })
      .finally(() => {
        this.#underWay--;
        this.#heardAt = performance.now();
        leave();
      });
    // It is awaited in its turn; until then a failure must not count as unhandled.
    this.#last.catch(() => undefined);
  }

  async #inTurn(before: Promise<void>, chunk: FileChunk, answer: Promise<UploadAnswer>): Promise<void> {
    const [earlier, own] = await Promise.allSettled([before, answer]);
    if (earlier.status === 'rejected') throw earlier.reason;
    if (own.status === 'fulfilled') this.#acknowledge(chunk, own.value);
    else await this.#inHalves(chunk, own.reason);
  }

  async #inHalves(chunk: FileChunk, error: unknown): Promise<void> {
    if (!this.#crossing.halve) throw error;
    await inHalves(
      chunk,
      error,
      (part) => this.#crossing.uploader.uploadOnce(this.#requestFor(part), this.#signal),
      async (part, answer) => this.#acknowledge(part, answer),
    );
  }

  #acknowledge(chunk: FileChunk, answer: UploadAnswer): void {
    const { destination, checkpoint, summary, metrics, events } = this.#crossing;
    const { file, type } = this.#input;
    const place = { offset: chunk.end, tail: tailHash(chunk.after) };
    const position = positionOf(destination, this.#input, place);
    checkpoint.countSetAside(type.name, answer.setAside);
    this.#acknowledged = place;
    this.#saved = checkpoint.advance({ ...position, acknowledged: position.updated });
    this.#saved.catch((error: unknown) => this.#fail(error));
    const bytes = chunk.end - chunk.offset;
    summary.acknowledged(type, bytes, answer);
    metrics?.acknowledged(type, bytes, answer);
    this.#tellSetAside(chunk, answer);
    events.detail(`${file.path}: acknowledged up to offset ${chunk.end} of ${file.size}`);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#failed.abort(FAILED);
  }

  #requestFor(chunk: FileChunk): UploadRequest {
    const { type, key, file } = this.#input;
    return { type, fileKey: key, chunk, unsent: Math.max(0, file.size - file.unfinished - chunk.end) };
  }

  #tellSetAside(chunk: FileChunk, { setAside, reasons }: UploadAnswer): void {
    const { warning } = this.#crossing.events;
    const { path } = this.#input.file;
    const cut = cutBytes(chunk);
    for (const { offset, reason } of reasons) warning(`${path}: a record at offset ${offset} was set aside: ${reason}`);
    if (cut > 0) warning(`${path}: of the record at offset ${chunk.offset} the last ${cut} bytes were not sent`);
    const more = setAside - reasons.length;
    if (reasons.length > 0 && more > 0) warning(`${path}: ${more} more were set aside`);
  }
}

/** What the checkpoint remembers of a file that is acknowledged up to a place. */
export function positionOf(
  destination: string,
  { type, file, key, input }: OpenInput,
  { offset, tail }: FilePlace,
): Position {
  return {
    destination,
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
