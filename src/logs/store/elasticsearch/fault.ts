import type { StoreFault } from '../log-store.ts';

/** What Elasticsearch, or somebody in front of it, says of a request or a document that it does not take. */
interface Refusal {
  /** As in HTTP. */
  readonly status: number;
  /** Elasticsearch's word for it, where it gave one. */
  readonly type?: string | undefined;
  readonly reason: string;
}

/** What is at fault where the record is not. */
export function faultOf({ status, type, reason }: Refusal): StoreFault {
  if (type === 'index_closed_exception') return 'IndexClosed';
  // Elasticsearch sets the first of these itself, and takes it away again; the others are set by people.
  if (type === 'cluster_block_exception')
    return /read-only-allow-delete/.test(reason) ? 'DiskWatermark' : 'IndexBlocked';
  // A validation_exception like many others.
  if (/maximum .*shards open/.test(reason)) return 'ShardLimit';
  switch (status) {
    case 401:
      return 'Unauthorized';
    case 403:
      return 'Forbidden';
    case 429:
      return 'Overloaded';
    case 502:
    case 503:
    case 504:
      return 'Unreachable';
    default:
      return 'Unknown';
  }
}
