import { messageOf, UserError } from '../../errors.ts';
import { untilAborted } from '../../until-aborted.ts';
import { Backoff } from '../backoff.ts';
import type { LogType } from '../types/log-type.ts';
import type { Position } from './checkpoint.ts';
import { NotAcknowledged } from './chunk-uploader.ts';
import { type FilePlace, FileTrouble } from './log-file.ts';
import type { OpenInput } from './open-inputs.ts';
import { type Crossing, Passage, positionOf } from './passage.ts';
import { isAt } from './rotation.ts';
import { UnreadCount } from './unread-count.ts';

/** Milliseconds between two looks at a file that is at no input's path any more: its writer may not have noticed yet. */
const LOOK_AGAIN = 250;

/** Failures in a row after which the records that can be stored are looked for. */
export const PATIENCE = 3;

/** Milliseconds without an answer after which a file that may soon be gone is copied to the spool. */
const SILENCE = 5_000;

/** Milliseconds for spooling what is left when it is asked to end. */
const SPOOL_AT_END = 10_000;

/** Why a file is not followed any more. */
export type FollowEnd = 'changed' | 'finished' | 'stopped';

/** How far a file is behind. */
export interface FileLag {
  readonly type: LogType;
  readonly path: string;
  /** Bytes of complete lines that are not acknowledged. */
  readonly bytes: number;
  /** Since the oldest of them was found, and since anything of the file was acknowledged. */
  readonly seconds: number;
  readonly stalledSeconds: number;
}

export interface FollowedFile extends FileLag {
  readonly position: Position;
}

/**
 * Ships one file as it grows. The file itself holds what is not acknowledged: what fails is read again from there, after
 * a pause, so that nothing waits in memory and no other file waits for this one. Only what may be gone by the next start,
 * because the file is not where it is looked for, is copied to the spool, which ships it from then on.
 */
export class FileFollower {
  readonly input: OpenInput;
  readonly #crossing: Crossing;
  /** Milliseconds without a new line after which a file that was rotated away is finished. */
  readonly #quiet: number;
  readonly #backoff = new Backoff();
  #place: FilePlace;
  #passage: Passage | undefined;
  #failures = 0;
  #heldBackBy = '';
  #retryAt = 0;
  #unread: UnreadCount | undefined;
  /** The file's size when everything in it was on its way. */
  #shippedSize: number;
  #behindSince: number | undefined;
  #acknowledgedAt = performance.now();
  #change: string | undefined = '';
  #awaySince: number | undefined;
  #woken = Promise.withResolvers<void>();

  constructor(input: OpenInput, crossing: Crossing, quiet: number) {
    this.input = input;
    this.#crossing = crossing;
    this.#quiet = quiet;
    this.#place = input.from;
    this.#shippedSize = input.from.offset;
  }

  /** How far everything is acknowledged, or in the spool, and what waits. */
  get position(): Position {
    const place = this.#acknowledged;
    const unread = this.#unread?.from(place.offset);
    return {
      ...positionOf(this.#crossing.destination, this.input, place),
      ...(this.#heldBackBy === '' ? {} : { heldBack: this.#heldBackBy }),
      ...(unread === undefined ? {} : { unread }),
    };
  }

  get lag(): FollowedFile {
    const { type, file } = this.input;
    const seconds = (since: number | undefined) => (since === undefined ? 0 : (performance.now() - since) / 1000);
    return {
      type,
      path: file.path,
      bytes: Math.max(0, file.size - file.unfinished - this.#acknowledged.offset),
      seconds: seconds(this.#behindSince),
      stalledSeconds: this.#behindSince === undefined ? 0 : seconds(Math.max(this.#behindSince, this.#acknowledgedAt)),
      position: this.position,
    };
  }

  /** It was looked for at its input: found with a change that tells whether it was written to, or not found. */
  sighted(change: string | undefined): void {
    if (change === undefined) this.#awaySince ??= performance.now();
    else this.#awaySince = undefined;
    if (change !== this.#change) this.#woken.resolve();
    this.#change = change;
    // Its answer may come in a minute, and the file must not be lost until then.
    if (this.#awaySince !== undefined && this.#passage !== undefined && this.#passage.silence > SILENCE) {
      const reason = `no answer for ${SILENCE / 1000} s`;
      this.#passage.abandon(new NotAcknowledged({ reason, answered: false, retryAfter: 0 }));
    }
  }

  /** Ships what is in the file and what comes, until it is finished, cannot be read on, or `stop` is aborted. */
  async run(): Promise<FollowEnd> {
    const end = await this.#follow();
    if (end === 'stopped') await this.#spoolAtEnd();
    return end;
  }

  async #follow(): Promise<FollowEnd> {
    for (;;) {
      const { stop } = this.#crossing;
      try {
        stop.throwIfAborted();
        await this.#untilRetry();
        this.#woken = Promise.withResolvers();
        await this.#shipNew();
        if (this.#isFinished()) return 'finished';
        await this.#untilWoken(stop);
      } catch (error) {
        if (stop.aborted) return 'stopped';
        if (error instanceof FileTrouble) {
          this.#crossing.events.warning(
            `${this.input.file.path}: ${error.message}; what is there now is looked at anew`,
          );
          return 'changed';
        }
        if (!(error instanceof NotAcknowledged || error instanceof UserError)) throw error;
        this.#holdBack(error);
      }
    }
  }

  get #acknowledged(): FilePlace {
    return this.#passage?.acknowledged ?? this.#place;
  }

  async #shipNew(): Promise<void> {
    const { file } = this.input;
    await file.refresh();
    if (file.size === this.#shippedSize) return;
    this.#behindSince ??= performance.now();
    const size = file.size;
    const passage = new Passage(this.input, this.#place, {
      ...this.#crossing,
      halve: this.#failures >= PATIENCE,
    });
    this.#passage = passage;
    try {
      await passage.send();
    } finally {
      await passage.settled().finally(() => this.#arrive(passage));
    }
    if (this.#heldBackBy !== '') this.#crossing.events.warning(`${file.path}: is shipped again`);
    this.#caughtUp(size);
  }

  /** Nothing of the file, up to a size, waits in it. */
  #caughtUp(size: number): void {
    this.#shippedSize = size;
    this.#behindSince = undefined;
    this.#heldBackBy = '';
    this.#retryAt = 0;
    this.#unread = undefined;
    this.#failures = 0;
    this.#backoff.reset();
  }

  #arrive(passage: Passage): void {
    if (passage.acknowledged.offset > this.#place.offset) {
      this.#acknowledgedAt = performance.now();
      this.#failures = 0;
      // What fails behind it is another failure: where every fifth upload fails, a long file would stand still.
      this.#backoff.reset();
    }
    this.#place = passage.acknowledged;
    this.#passage = undefined;
  }

  #isFinished(): boolean {
    const last = Math.max(this.#awaySince ?? Number.POSITIVE_INFINITY, this.#acknowledgedAt);
    return performance.now() - last >= this.#quiet;
  }

  async #untilWoken(signal: AbortSignal): Promise<void> {
    const timer = this.#awaySince === undefined ? undefined : setTimeout(() => this.#woken.resolve(), LOOK_AGAIN);
    try {
      await untilAborted(this.#woken.promise, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #holdBack(error: NotAcknowledged | UserError): void {
    const { metrics, events } = this.#crossing;
    const { path } = this.input.file;
    metrics?.retried();
    this.#failures++;
    // Once for each reason: it may be the same for hours.
    if (error.message !== this.#heldBackBy)
      events.warning(`${path}: ${error.message}; it is held back and tried again`);
    this.#heldBackBy = error.message;
    this.#retryAt = performance.now() + this.#backoff.next(error instanceof NotAcknowledged ? error.retryAfter : 0);
  }

  /** The pause after a failure, in which what waits is spooled or counted. */
  async #untilRetry(): Promise<void> {
    const { stop } = this.#crossing;
    for (let left = this.#retryAt - performance.now(); left > 0; left = this.#retryAt - performance.now()) {
      this.#woken = Promise.withResolvers();
      if (this.#awaySince !== undefined) await this.#spool(stop);
      else await this.#count();
      if (this.#retryAt === 0) return;
      const timer = setTimeout(() => this.#woken.resolve(), left);
      await untilAborted(this.#woken.promise, stop).finally(() => clearTimeout(timer));
    }
  }

  /** Copies what waits to the spool, as far as there is room. */
  async #spool(signal: AbortSignal): Promise<void> {
    const { spool, checkpoint, events } = this.#crossing;
    const { file } = this.input;
    await file.refresh();
    const { size } = file;
    const from = this.#place.offset;
    const all = await spool.copy(
      this.input,
      this.#place,
      async (place, records) => {
        this.#unread?.without(records, place.offset);
        // It is in the spool, also where that cannot be saved.
        this.#place = place;
        this.#acknowledgedAt = performance.now();
        await checkpoint.advance(this.position);
      },
      signal,
    );
    if (this.#place.offset > from) {
      events.warning(
        `${file.path}: it was deleted or moved away; up to offset ${this.#place.offset} it is in the spool`,
      );
    }
    if (all) this.#caughtUp(size);
  }

  /** Also where nobody has noticed yet that the file is not at its place. */
  async #spoolAtEnd(): Promise<void> {
    const { file } = this.input;
    if (this.#awaySince === undefined && (await isAt(file.path, file))) return;
    try {
      await this.#spool(AbortSignal.timeout(SPOOL_AT_END));
    } catch (error) {
      this.#crossing.events.warning(`${file.path}: ${messageOf(error)}; it is not in the spool`);
    }
  }

  /** Counts what waits, and remembers it; where that cannot be saved, the next acknowledgement does. */
  async #count(): Promise<void> {
    const { checkpoint, stop } = this.#crossing;
    const { type, file } = this.input;
    await file.refresh();
    if (this.#unread?.from(this.#place.offset) === undefined) this.#unread = new UnreadCount(this.#place);
    if (!(await this.#unread.goOn(type, file, stop))) return;
    await checkpoint.advance(this.position).catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
    });
  }
}
