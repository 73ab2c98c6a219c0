import type { CountedGroup, LogAggregation, Total } from '../query/aggregation.ts';
import type { Cursor } from '../query/cursor.ts';
import type { LogQuery } from '../query/log-query.ts';
import type { DeadLetter, LogRecord } from '../record/record.ts';
import type { UploadSource } from '../record/source.ts';
import type { LogType, LogTypeName, StoredRecord } from '../types/log-type.ts';

/** Records of one upload, with what they have in common. */
export interface RecordBatch {
  readonly type: LogType;
  readonly source: UploadSource;
  readonly records: readonly LogRecord[];
}

/** What became of a batch; the counts add up to its records. */
export interface WriteOutcome {
  readonly stored: number;
  /** There already: sent before. */
  readonly known: number;
  /** How many of the known ones are stored with another checksum. */
  readonly differing: number;
  /** Refused for their own fault, and not stored. */
  readonly refused: readonly DeadLetter[];
}

/** Records that match a query, in its order. */
export interface FoundRecords {
  readonly records: readonly FoundRecord[];
  /** The last of them, where there may be more behind it: the limit is reached, or the answer would grow too long. */
  readonly next: Cursor | undefined;
}

export class FoundRecord {
  readonly type: LogTypeName;
  /** The same for the same record, whenever it is read. */
  readonly id: string;
  /** An object, with nothing between its tokens. */
  readonly json: string;

  constructor(type: LogTypeName, id: string, json: string) {
    this.type = type;
    this.id = id;
    this.json = json;
  }

  /** Parsed anew each time. */
  get record(): StoredRecord {
    return JSON.parse(this.json) as StoredRecord;
  }
}

/** What an aggregation counted. */
export interface CountedGroups {
  /** How many groups there are in all. */
  readonly count: number;
  /** The largest first; of equal ones, by their members. */
  readonly rows: readonly CountedGroup[];
  /** Of everything, one for each direction where these are counted by themselves. */
  readonly totals: readonly Total[];
}

/** What can be asked of a store. */
export interface LogQuestions {
  /** @throws StoreUnavailable, ScanTooWide */
  search(query: LogQuery, signal: AbortSignal): Promise<FoundRecords>;

  /**
   * Groups that nothing was counted of are left out.
   * @throws UserError where there are more groups than can be compared, StoreUnavailable, ScanTooWide
   */
  aggregate(asked: LogAggregation, signal: AbortSignal): Promise<CountedGroups>;
}

/**
 * Where logs are kept. Every promise settles within the store's own timeout, and soon after `signal` aborts.
 */
export interface LogStore extends LogQuestions {
  /**
   * Resolves once every record is durable, was there already, or is refused for its own fault.
   * @throws StoreUnavailable when that cannot be said of some record; writing the batch again is then harmless.
   */
  write(batch: RecordBatch, signal: AbortSignal): Promise<WriteOutcome>;

  /** Keeps dead letters where an operator finds them. @throws StoreUnavailable like write. */
  setAside(letters: readonly DeadLetter[], type: LogType, source: UploadSource, signal: AbortSignal): Promise<void>;

  /** For questions that belong together: those that are asked at once cost less. */
  together(): LogQuestions;

  /** @throws StoreUnavailable with the reason while the store cannot be reached. */
  ping(signal: AbortSignal): Promise<void>;
}

/** What keeps a store from taking records, in a word for programs; the sentence for people is an error's message. */
export type StoreFault =
  | 'Unreachable'
  /** It does not know who we are, or somebody in front of it does not. */
  | 'Unauthorized'
  | 'Forbidden'
  | 'Overloaded'
  /** It creates no more indices. */
  | 'ShardLimit'
  | 'IndexClosed'
  /** Read-only by the store itself, for want of disk space. */
  | 'DiskWatermark'
  /** Read-only because somebody has set it so. */
  | 'IndexBlocked'
  /** An index is mapped otherwise than we have it, and therefore refuses what is in order. */
  | 'MappingConflict'
  | 'SpoolFull'
  /** There is no more room for the moment; the store has nothing to do with it. */
  | 'Busy'
  | 'Unknown';

/** The store cannot be reached, or holds records back for a reason that is not theirs. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly fault: StoreFault;

  constructor(message: string, options: { readonly cause?: unknown; readonly fault?: StoreFault } = {}) {
    super(message, { cause: options.cause });
    this.fault = options.fault ?? 'Unknown';
  }
}
