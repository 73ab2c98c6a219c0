import type { StoreFault } from '../logs/store/log-store.ts';
import type { LogType, LogTypeName } from '../logs/types/log-type.ts';
import type { TurnedAwayStatus } from './manager-status.ts';
import { troubleOf } from './trouble.ts';

/** Milliseconds for which an upload that was turned away is told of: its sender has come back long before. */
const REMEMBERED = 300_000;

/** Clusters and log types told apart. */
const MOST = 500;

interface TurnedAway {
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly fault: StoreFault;
  readonly message: string;
  readonly uploads: number;
  /** Milliseconds since 1970. */
  readonly last: number;
}

/** The uploads that were lately turned away since they could not be stored. */
export class TurnedAwayUploads {
  /** In the order of their last one. */
  readonly #known = new Map<string, TurnedAway>();

  note(cluster: string, { name: type }: LogType, fault: StoreFault, message: string, now: number): void {
    // Senders that have to wait their turn are no trouble.
    if (fault === 'Busy') return;
    const key = `${cluster}/${type}`;
    const before = this.#known.get(key);
    const uploads = before !== undefined && isRecent(before, now) ? before.uploads + 1 : 1;
    this.#known.delete(key);
    this.#known.set(key, { cluster, type, fault, message, uploads, last: now });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST) break;
      this.#known.delete(oldest);
    }
  }

  /** The last one first. */
  list(now: number): readonly TurnedAwayStatus[] {
    return [...this.#known.values()]
      .filter((one) => isRecent(one, now))
      .reverse()
      .map(({ fault, message, last, ...one }) => ({
        ...one,
        ...troubleOf({ fault, message }),
        last: new Date(last).toISOString(),
      }));
  }
}

function isRecent({ last }: TurnedAway, now: number): boolean {
  return now - last < REMEMBERED;
}
