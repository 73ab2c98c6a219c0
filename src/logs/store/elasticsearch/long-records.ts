import { errors } from '@elastic/elasticsearch';
import type { StoreUnavailable } from '../log-store.ts';
import type { BulkItem } from './bulk.ts';
import { TOO_MANY } from './bulk-verdict.ts';
import { LONG } from './record-length.ts';

/** Milliseconds for which a long record may be refused while others are stored, until it is taken to be the cause. */
const PATIENCE = 600_000;

/** Records remembered; each is asked for again within seconds. */
const MOST = 1_000;

/** Whether a record is sent in a request of its own. */
export function isLong({ open }: BulkItem): boolean {
  return open.length >= LONG;
}

/**
 * Long records that Elasticsearch does not take: too much for its memory (429, by its circuit breakers and limits of
 * indexing), for its limit of a request (413), or for the time that it has. Where it goes on storing others, waiting
 * does not help: the file that such a record is in would be held back for ever.
 */
export class LongRecords {
  readonly #patience: number;
  /** Since when each is refused, by id. */
  readonly #since = new Map<string, number>();
  #lastStored = Number.NEGATIVE_INFINITY;

  constructor(patience = PATIENCE) {
    this.#patience = patience;
  }

  /** Something was stored: the store is well. */
  stored(): void {
    this.#lastStored = Date.now();
  }

  /** Whether a record that its own request has failed to store is at fault itself. */
  isAtFault(id: string, failure: StoreUnavailable | { readonly status: number }): boolean {
    if ('status' in failure) {
      if (failure.status !== TOO_MANY) return false;
    } else {
      // A limit of the request's length, which no waiting changes.
      if (isRequestTooLong(failure.cause)) return true;
      if (!isForItsLength(failure.cause)) return false;
    }
    const since = this.#since.get(id) ?? Date.now();
    this.#since.set(id, since);
    for (const oldest of this.#since.keys()) {
      if (this.#since.size <= MOST) break;
      this.#since.delete(oldest);
    }
    // Others were stored in the second half of that time: it is not Elasticsearch that has to get well.
    return Date.now() - since >= this.#patience && Date.now() - this.#lastStored < this.#patience / 2;
  }
}

/** Whether a request can have failed for how long it is: no memory, no answer in time, or hung up in the middle of it. */
function isForItsLength(cause: unknown): boolean {
  if (cause instanceof errors.ResponseError) return cause.statusCode === TOO_MANY;
  return cause instanceof errors.TimeoutError || cause instanceof errors.ConnectionError;
}

/** Whether Elasticsearch, or what stands before it, does not take requests of that length. */
export function isRequestTooLong(cause: unknown): boolean {
  return cause instanceof errors.ResponseError && cause.statusCode === 413;
}
