import type { LogTypeName } from '../types/log-type.ts';
import type { Backlog, HeldBack } from './backlog.ts';

/** What waits of one cluster and log type. */
export interface BacklogSummary {
  readonly cluster: string;
  readonly type: LogTypeName;
  records: number;
  bytes: number;
  /** Milliseconds since 1970 at which the oldest of it was spooled. */
  oldest: number;
  /** Why the store does not take some of it, where it has said so: for each day that is held back. */
  readonly heldBack: HeldBack[];
}

/** The largest first. */
export function summarize(backlogs: Iterable<Backlog>): BacklogSummary[] {
  const summaries = new Map<string, BacklogSummary>();
  for (const { lane, records, bytes, oldest, heldBack } of backlogs) {
    const { cluster, type } = lane;
    const key = `${cluster}/${type.name}`;
    const nothing = { cluster, type: type.name, records: 0, bytes: 0, oldest: Number.POSITIVE_INFINITY };
    const summary = summaries.get(key) ?? { ...nothing, heldBack: [] };
    summaries.set(key, summary);
    summary.records += records;
    summary.bytes += bytes;
    summary.oldest = Math.min(summary.oldest, oldest?.time ?? summary.oldest);
    if (heldBack !== undefined) summary.heldBack.push(heldBack);
  }
  return [...summaries.values()].sort((a, b) => b.bytes - a.bytes);
}
