import { type Frame, frameLength } from './frame.ts';
import { chargeOf } from './room.ts';
import { Segment } from './segment.ts';

/** Where a frame is. */
export interface Place {
  readonly segment: Segment;
  readonly at: number;
}

interface Append {
  readonly frame: Frame;
  readonly resolve: (place: Place) => void;
  readonly reject: (error: unknown) => void;
}

/** What is written and synced at once: more would hold up those that come meanwhile, and the system takes so many pieces. */
const GROUP_BYTES = 16 * 1024 * 1024;
const GROUP_FRAMES = 256;

/** Appends frames to the newest of a spool's segments. All that wait are written and synced together. */
export class SegmentWriter {
  readonly #directory: string;
  readonly #segmentSize: number;
  readonly #onSegment: (segment: Segment) => void;
  readonly #onFailed: (segment: Segment) => void;
  #waiting: Append[] = [];
  #current: Segment | undefined;
  #number = 0;
  #working: Promise<void> | undefined;

  /** `onSegment` is told of each new segment, `onFailed` of one that nothing more will be written to. */
  constructor(
    directory: string,
    segmentSize: number,
    on: { readonly segment: (segment: Segment) => void; readonly failed: (segment: Segment) => void },
  ) {
    this.#directory = directory;
    this.#segmentSize = segmentSize;
    this.#onSegment = on.segment;
    this.#onFailed = on.failed;
  }

  /** Goes on with a segment that is there; none has a higher number. */
  goOn(segment: Segment): void {
    this.#current = segment;
    this.#number = segment.number;
  }

  /** Resolves once the frame is on disk, counted in its segment. @throws Error of the system; then it is not. */
  async append(frame: Frame): Promise<Place> {
    const { promise, resolve, reject } = Promise.withResolvers<Place>();
    this.#waiting.push({ frame, resolve, reject });
    this.#working ??= this.#work();
    return await promise;
  }

  /** Writes no more to a segment, unless it is just being written to. Returns whether that is so. */
  letGo(segment: Segment): boolean {
    if (segment !== this.#current) return true;
    if (this.#working !== undefined) return false;
    this.#current = undefined;
    return true;
  }

  /** Ends once all has been written that waits for it. */
  async close(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) await this.#write(this.#nextGroup());
    this.#working = undefined;
  }

  #nextGroup(): Append[] {
    let bytes = 0;
    let count = 0;
    for (const { frame } of this.#waiting) {
      bytes += frameLength(frame);
      if (count === GROUP_FRAMES || (count > 0 && bytes > GROUP_BYTES)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(group: readonly Append[]): Promise<void> {
    try {
      const segment = await this.#segment();
      let at = segment.length;
      await segment.append(group.map(({ frame }) => frame));
      for (const { frame, resolve } of group) {
        const length = frameLength(frame);
        segment.charged += chargeOf(length);
        segment.enter(chargeOf(length));
        resolve({ segment, at });
        at += length;
      }
    } catch (error) {
      const failed = this.#current;
      this.#current = undefined;
      if (failed !== undefined) this.#onFailed(failed);
      for (const { reject } of group) reject(error);
    }
  }

  async #segment(): Promise<Segment> {
    if (this.#current !== undefined && this.#current.length < this.#segmentSize) return this.#current;
    const segment = await Segment.create(this.#directory, this.#number + 1);
    this.#number = segment.number;
    this.#current = segment;
    this.#onSegment(segment);
    return segment;
  }
}
