import type { CheckOutcome } from '../health-port.ts';
import type { LetterCounts, StoreFacts } from '../logs/store/elasticsearch/store-report.ts';
import type { LogTypeName } from '../logs/types/log-type.ts';
import type { Trouble } from './trouble.ts';

/** A manager as its API gives it. Times are RFC 3339; nothing is of any record. */
export interface ManagerItem {
  readonly apiVersion: string;
  readonly kind: 'Manager';
  readonly metadata: {
    readonly name: string;
    /** When it was started. */
    readonly creationTimestamp: string;
  };
  readonly status: ManagerStatus;
}

export interface ManagerStatus {
  readonly version: string;
  readonly checks: readonly CheckOutcome[];
  /** Of its certificate. */
  readonly certificateExpires: string;
  readonly store: StoreStatus;
  readonly layout: LayoutStatus;
  readonly retention: RetentionStatus;
  /** What of the ConfigMap is not in order, and changes nothing. */
  readonly refusedSettings: readonly string[];
  readonly spool?: SpoolStatus | undefined;
  /** Uploads that were not taken in the last minutes. */
  readonly turnedAway: readonly TurnedAwayStatus[];
  /** Of the last 24 hours; missing where the store does not say. */
  readonly deadLetters?: LetterCounts | undefined;
}

export interface StoreStatus extends Partial<StoreFacts> {
  readonly urls: readonly string[];
  /** Why it cannot be used. */
  readonly trouble?: Trouble | undefined;
  /** Whether it answers those who do not say who they are; missing while that is not known. */
  readonly answersAnybody?: boolean | undefined;
}

/** Where today's records go. */
export interface LayoutStatus {
  readonly layout: string;
  readonly prefix: string;
  /** Of a day's index that clusters share. */
  readonly shards: number;
}

export interface RetentionStatus {
  /** Elasticsearch's own policy that deletes days in the manager's place. */
  readonly ilmPolicy?: string | undefined;
  /** When this manager last looked after the days; missing where another one does. */
  readonly lastRound?: string | undefined;
  /** Why the last round failed. */
  readonly error?: string | undefined;
  /** Why tomorrow's indices could not be created in it. */
  readonly tomorrow?: Trouble | undefined;
}

export interface SpoolStatus {
  /** Bytes it may have on disk, and has. */
  readonly size: number;
  readonly used: number;
  readonly free: number;
  /** Why it takes nothing. */
  readonly trouble?: string | undefined;
  readonly records: number;
  readonly bytes: number;
  /** The largest first; what is beyond five hundred is counted together, without a cluster. */
  readonly backlog: readonly BacklogItem[];
}

/** What waits of one cluster and log type. */
export interface BacklogItem {
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly records: number;
  readonly bytes: number;
  /** When the oldest of it came. */
  readonly oldest: string;
  /** Why the store does not take it, for some of the days that it is of. */
  readonly heldBack: readonly HeldBackStatus[];
}

export interface HeldBackStatus extends Trouble {
  /** When it was last tried: again within a minute. */
  readonly tried: string;
}

export interface TurnedAwayStatus extends Trouble {
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly uploads: number;
  /** When the last one was. */
  readonly last: string;
}
