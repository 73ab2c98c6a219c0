import type { LogQuery } from '../logs/query/log-query.ts';
import type { Behind } from '../logs/query/shortcoming.ts';
import type { Backlog } from '../logs/spool/backlog.ts';
import type { Lane } from '../logs/spool/lane.ts';
import { startOf } from '../logs/store/retention.ts';

/** Milliseconds for which something has to have waited to be told of: so long it takes anyhow until a record is found. */
const TOLD_AFTER = 2_000;

const DAY = 86_400_000;

/** What waits in the spool of what an answer is about: of its clusters, types and days. */
export function waitingIn(backlogs: Iterable<Backlog>, query: LogQuery, now: number): readonly Behind[] {
  const found = new Map<string, Behind>();
  for (const { lane, records, oldest } of backlogs) {
    if (oldest === undefined || now - oldest.time < TOLD_AFTER || !isAsked(lane, query)) continue;
    const { cluster, type } = lane;
    const key = `${cluster}/${type.name}`;
    const time = new Date(oldest.time).toISOString();
    const before = found.get(key) ?? { since: time, records: 0 };
    const since = before.since < time ? before.since : time;
    found.set(key, { kind: 'Behind', cluster, type: type.name, since, records: before.records + records });
  }
  return [...found.values()];
}

/** Dead letters, which are of no day, are no logs. */
function isAsked({ cluster, type, day }: Lane, { clusters, types, since, until }: LogQuery): boolean {
  if (day === undefined || !clusters.includes(cluster) || !types.includes(type)) return false;
  const start = startOf(day);
  return (until === undefined || start < until) && (since === undefined || start + DAY > since);
}
