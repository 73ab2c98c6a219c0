import { UserError } from '../../errors.ts';
import { untilAborted } from '../../until-aborted.ts';
import { Backoff } from '../backoff.ts';
import type { UploadAnswer } from '../ingest/upload.ts';
import { gaps as gapType } from '../types/gaps.ts';
import { NotAcknowledged } from './chunk-uploader.ts';
import { type FileChunk, wholeLines } from './file-chunk.ts';
import { PATIENCE } from './file-follower.ts';
import type { GapBatch } from './gap-ledger.ts';
import { inHalves } from './halving.ts';
import type { Crossing } from './passage.ts';
import type { SpooledSegment } from './spool.ts';

/** What keeps a part of the spool from being shipped. */
interface Hold {
  readonly backoff: Backoff;
  reason: string;
  failures: number;
  /** When it is tried again. */
  until: number;
}

/** The gaps are held back by themselves, as each file is. */
const GAPS = 'gaps';

/**
 * Ships what is in the spool, oldest first, one segment at a time, beside the files that are followed; and what was lost.
 * Segments of a file that is held back keep no other.
 */
export class SpoolShipper {
  readonly #crossing: Crossing;
  readonly #holds = new Map<string, Hold>();
  #woken = Promise.withResolvers<void>();

  constructor(crossing: Crossing) {
    this.#crossing = crossing;
    const wake = () => this.#woken.resolve();
    crossing.spool.whenChanged(wake);
    crossing.gaps.whenChanged(wake);
  }

  /** Until `stop` is aborted. */
  async run(): Promise<void> {
    const { spool, gaps, stop } = this.#crossing;
    while (!stop.aborted) {
      this.#woken = Promise.withResolvers();
      // One moment for all that is decided here: what becomes due while it is must not be taken for gone.
      const now = performance.now();
      const mayShip = (what: string) => now >= (this.#holds.get(what)?.until ?? 0);
      const segment = spool.take((candidate) => mayShip(fileOf(candidate)));
      if (gaps.pending.length > 0 && mayShip(GAPS)) {
        await this.#try(GAPS, 'what was lost', () => this.#shipGaps());
      } else if (segment === undefined) {
        await this.#untilWoken(now);
      } else {
        const file = fileOf(segment);
        await this.#try(file, nameOf(segment), () =>
          this.#ship(segment, (this.#holds.get(file)?.failures ?? 0) >= PATIENCE),
        );
      }
    }
  }

  /**
   * What is there now, once; told in the summary is what was held back.
   * @throws UserError when the manager refuses this forwarder.
   */
  async drain(): Promise<void> {
    const { spool, summary, halve } = this.#crossing;
    for (const { source, offset, end } of spool.segments) summary.of(source.type).leftBytes += end.offset - offset;
    const left = new Set<string>();
    for (;;) {
      const segment = spool.take((candidate) => !left.has(fileOf(candidate)));
      if (segment === undefined) return;
      try {
        await this.#ship(segment, halve);
      } catch (error) {
        if (!(error instanceof NotAcknowledged)) throw error;
        left.add(fileOf(segment));
        summary.incomplete.push(`${nameOf(segment)}: ${error.message}; it is left for the next run`);
      }
    }
  }

  /** What was lost, once. @throws UserError when the manager refuses this forwarder. */
  async drainGaps(): Promise<void> {
    const { gaps, summary } = this.#crossing;
    try {
      while (gaps.pending.length > 0) await this.#shipGaps();
    } catch (error) {
      if (!(error instanceof NotAcknowledged)) throw error;
      summary.incomplete.push(`what was lost could not be told: ${error.message}; it is left for the next run`);
    }
  }

  /** Until something has changed, or what is held back may be tried again. */
  async #untilWoken(now: number): Promise<void> {
    // What could be tried then and was not found has left the spool.
    for (const [what, { until }] of this.#holds) if (until <= now) this.#holds.delete(what);
    const next = Math.min(...[...this.#holds.values()].map(({ until }) => until));
    const timer = Number.isFinite(next) ? setTimeout(() => this.#woken.resolve(), next - performance.now()) : undefined;
    await untilAborted(this.#woken.promise, this.#crossing.stop).catch(() => undefined);
    clearTimeout(timer);
  }

  async #try(what: string, name: string, ship: () => Promise<void>): Promise<void> {
    const { metrics, events, stop, signal } = this.#crossing;
    try {
      await ship();
      if (this.#holds.delete(what)) events.warning(`${name}: is shipped again`);
    } catch (error) {
      if (stop.aborted || signal.aborted) return;
      if (!(error instanceof NotAcknowledged || error instanceof UserError)) throw error;
      metrics?.retried();
      const hold = this.#holds.get(what) ?? { backoff: new Backoff(), reason: '', failures: 0, until: 0 };
      if (error.message !== hold.reason) events.warning(`${name}: ${error.message}; it is held back and tried again`);
      hold.reason = error.message;
      hold.failures++;
      hold.until = performance.now() + hold.backoff.next(error instanceof NotAcknowledged ? error.retryAfter : 0);
      this.#holds.set(what, hold);
    }
  }

  async #ship(segment: SpooledSegment, halve: boolean): Promise<void> {
    const { spool, turns, stop } = this.#crossing;
    await turns.take(async () => {
      for (const chunk of await spool.read(segment)) await this.#shipChunk(segment, chunk, halve);
      await spool.done(segment);
    }, stop);
  }

  async #shipChunk(segment: SpooledSegment, chunk: FileChunk, halve: boolean): Promise<void> {
    const { uploader, insist, signal, spool, summary, metrics, checkpoint } = this.#crossing;
    const { type, fileKey } = segment.source;
    const file = fileOf(segment);
    const ends = spool.segments.filter((one) => fileOf(one) === file).map(({ end }) => end.offset);
    const requestFor = (part: FileChunk) => {
      return { type, fileKey, chunk: part, unsent: Math.max(0, ...ends.map((end) => end - part.end)) };
    };
    const once = async (part: FileChunk) => await uploader.uploadOnce(requestFor(part), signal);
    const acknowledge = async (part: FileChunk, answer: UploadAnswer) => {
      const bytes = part.end - part.offset;
      spool.acknowledged(segment, part.end, part.records);
      checkpoint.countSetAside(type.name, answer.setAside);
      summary.acknowledged(type, bytes, answer);
      metrics?.acknowledged(type, bytes, answer);
      this.#tellSetAside(segment.source.path, answer);
    };
    try {
      const answer = insist ? await uploader.upload(requestFor(chunk), signal) : await once(chunk);
      await acknowledge(chunk, answer);
    } catch (error) {
      if (!halve) throw error;
      await inHalves(chunk, error, once, acknowledge);
    }
  }

  async #shipGaps(): Promise<void> {
    const { gaps, uploader, insist, signal } = this.#crossing;
    const batch = await gaps.nextBatch();
    if (batch === undefined) return;
    const request = { type: gapType, fileKey: batch.key, chunk: chunkOf(batch), unsent: 0 };
    const answer = insist ? await uploader.upload(request, signal) : await uploader.uploadOnce(request, signal);
    await gaps.shipped();
    this.#tellSetAside('what was lost', answer);
  }

  #tellSetAside(name: string, { reasons }: UploadAnswer): void {
    const { warning } = this.#crossing.events;
    for (const { offset, reason } of reasons) warning(`${name}: a record at offset ${offset} was set aside: ${reason}`);
  }
}

function fileOf({ source: { type, fileKey, device, inode } }: SpooledSegment): string {
  return [type.name, fileKey, device, inode].join('/');
}

function nameOf({ source, offset }: SpooledSegment): string {
  return `${source.path}: what is in the spool of it from offset ${offset} on`;
}

/** Its gaps as lines of a log. */
function chunkOf({ gaps }: GapBatch): FileChunk {
  const lines = gaps.map(({ input: _input, ...gap }) => `${JSON.stringify(gap)}\n`);
  return wholeLines(0, Buffer.from(lines.join('')), Buffer.alloc(0));
}
