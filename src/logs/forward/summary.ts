import type { UploadAnswer } from '../ingest/upload.ts';
import type { LogType } from '../types/log-type.ts';

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

/** What a run has done, as far as it got. */
export class ForwardSummary {
  readonly #types = new Map<LogType, TypeSummary>();
  /** Named files that are not there or cannot be read; the others were shipped all the same. */
  readonly unreadable: string[] = [];
  /** Why not everything was acknowledged: a sentence for each file. */
  readonly incomplete: string[] = [];

  get types(): readonly TypeSummary[] {
    return [...this.#types.values()];
  }

  /** Of all types. */
  get leftBytes(): number {
    return this.types.reduce((sum, { leftBytes }) => sum + leftBytes, 0);
  }

  acknowledged(type: LogType, bytes: number, { accepted, known, setAside }: UploadAnswer): void {
    const counts = this.of(type);
    counts.shipped += accepted;
    counts.known += known;
    counts.setAside += setAside;
    counts.bytes += bytes;
    counts.leftBytes -= bytes;
  }

  of(type: LogType): TypeSummary {
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    const summary = { type, shipped: 0, known: 0, setAside: 0, bytes: 0, leftBytes: 0, unfinishedBytes: 0 };
    this.#types.set(type, summary);
    return summary;
  }
}

/** What a forwarder has to say while it works. */
export interface ForwardEvents {
  warning(text: string): void;
  /** Details, for those who ask for them. */
  detail(text: string): void;
}

/** What was shipped of one type since the last one, and how far its files are behind. */
export interface HeartbeatReport {
  readonly type: string;
  readonly shipped: number;
  readonly known: number;
  readonly setAside: number;
  readonly bytes: number;
  readonly files: number;
  readonly lagBytes: number;
  readonly lagSeconds: number;
}

/** What a forwarder that follows files has to say besides. */
export interface FollowEvents extends ForwardEvents {
  /** Something is lost, or somebody has to do something. */
  error(text: string): void;
  heartbeat(report: HeartbeatReport): void;
}
