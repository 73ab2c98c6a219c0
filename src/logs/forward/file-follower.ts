import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../errors.ts';
import { untilAborted } from '../../until-aborted.ts';
import type { LogType } from '../types/log-type.ts';
import { Backoff } from './backoff.ts';
import type { Position } from './checkpoint.ts';
import { NotAcknowledged } from './chunk-uploader.ts';
import { type FilePlace, FileTrouble } from './log-file.ts';
import type { OpenInput } from './open-inputs.ts';
import { type Crossing, Passage, positionOf } from './passage.ts';

/** Milliseconds between two looks at a file that is at no input's path any more: its writer may not have noticed yet. */
const LOOK_AGAIN = 250;

/** Failures in a row after which the records that can be stored are looked for. */
const PATIENCE = 3;

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

/**
 * Ships one file as it grows. The file itself holds what is not acknowledged: what fails is read again from there, after
 * a pause, so that nothing waits in memory and no other file waits for this one.
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

  /** How far everything is acknowledged. */
  get position(): Position {
    return positionOf(this.#crossing.destination, this.input, this.#acknowledged);
  }

  get lag(): FileLag {
    const { type, file } = this.input;
    const seconds = (since: number | undefined) => (since === undefined ? 0 : (performance.now() - since) / 1000);
    return {
      type,
      path: file.path,
      bytes: Math.max(0, file.size - file.unfinished - this.#acknowledged.offset),
      seconds: seconds(this.#behindSince),
      stalledSeconds: this.#behindSince === undefined ? 0 : seconds(Math.max(this.#behindSince, this.#acknowledgedAt)),
    };
  }

  /** It was looked for at its input: found with a change that tells whether it was written to, or not found. */
  sighted(change: string | undefined): void {
    if (change === undefined) this.#awaySince ??= performance.now();
    else this.#awaySince = undefined;
    if (change !== this.#change) this.#woken.resolve();
    this.#change = change;
  }

  /** Ships what is in the file and what comes, until it is finished, cannot be read on, or `stop` is aborted. */
  async run(): Promise<FollowEnd> {
    for (;;) {
      const { stop } = this.#crossing;
      try {
        stop.throwIfAborted();
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
        await this.#pause(error);
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
    this.#shippedSize = size;
    this.#behindSince = undefined;
    if (this.#heldBackBy !== '') this.#crossing.events.warning(`${file.path}: is shipped again`);
    this.#heldBackBy = '';
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

  async #pause(error: NotAcknowledged | UserError): Promise<void> {
    const { metrics, events, stop } = this.#crossing;
    const { path } = this.input.file;
    metrics.retried();
    this.#failures++;
    // Once for each reason: it may be the same for hours.
    if (error.message !== this.#heldBackBy)
      events.warning(`${path}: ${error.message}; it is held back and tried again`);
    this.#heldBackBy = error.message;
    const pause = this.#backoff.next(error instanceof NotAcknowledged ? error.retryAfter : 0);
    await sleep(pause, undefined, { signal: stop }).catch(() => undefined);
  }
}
