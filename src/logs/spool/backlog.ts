import type { StoreFault } from '../store/log-store.ts';
import type { Lane } from './lane.ts';
import type { Segment } from './segment.ts';

/** Where one frame is that waits. There may be a million of them. */
export interface Waiting {
  readonly sequence: number;
  /** Milliseconds since 1970 at which it was spooled. */
  readonly time: number;
  readonly records: number;
  readonly length: number;
  segment: Segment;
  at: number;
  done: boolean;
}

/** Why the store does not take what waits. */
export interface HeldBack {
  readonly fault: StoreFault;
  readonly message: string;
  /** Milliseconds since 1970 at which it last did not. */
  readonly time: number;
}

/** What waits for one lane, the oldest first. */
export class Backlog {
  readonly lane: Lane;
  records = 0;
  bytes = 0;
  /** Why the store did not take the oldest of it, when it last had the chance. */
  heldBack: HeldBack | undefined;
  #frames: Waiting[] = [];
  #first = 0;

  constructor(lane: Lane) {
    this.lane = lane;
  }

  get empty(): boolean {
    return this.#first === this.#frames.length;
  }

  get oldest(): Waiting | undefined {
    return this.#frames[this.#first];
  }

  /** The oldest frames, so many of them at most. */
  first(count = Number.POSITIVE_INFINITY): readonly Waiting[] {
    return this.#frames.slice(this.#first, this.#first + count);
  }

  add(frame: Waiting): void {
    this.#frames.push(frame);
    this.records += frame.records;
    this.bytes += frame.length;
  }

  /** Takes the oldest out. */
  shift(): Waiting | undefined {
    const frame = this.oldest;
    if (frame === undefined) return undefined;
    this.records -= frame.records;
    this.bytes -= frame.length;
    this.#first++;
    if (this.#first >= 1024 && this.#first >= this.#frames.length / 2) {
      this.#frames = this.#frames.slice(this.#first);
      this.#first = 0;
    }
    return frame;
  }

  /** Puts frames in the order in which they came. Returns those that are there twice. */
  sort(): Waiting[] {
    this.#frames.sort((a, b) => a.sequence - b.sequence);
    const twice = this.#frames.filter((frame, at) => isCopy(this.#frames[at - 1], frame));
    if (twice.length === 0) return twice;
    const kept = this.#frames.filter((frame) => !twice.includes(frame));
    [this.#frames, this.records, this.bytes] = [[], 0, 0];
    for (const frame of kept) this.add(frame);
    return twice;
  }
}

function isCopy(a: Waiting | undefined, b: Waiting): boolean {
  return a?.sequence === b.sequence && a.time === b.time && a.records === b.records && a.length === b.length;
}
