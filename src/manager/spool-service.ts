import type { Registry } from 'prom-client';
import type { SpooledStatus } from '../clusters/managed-cluster.ts';
import { type BacklogSummary, summarize } from '../logs/spool/backlog-summary.ts';
import { type SpoolingOptions, SpoolingStore } from '../logs/spool/spooling-store.ts';
import type { LogStore } from '../logs/store/log-store.ts';
import type { RepeatedLog } from './repeated-log.ts';
import { SpoolMetrics } from './spool-metrics.ts';

/** Puts a spool in front of the log store, and says what it does. @throws UserError */
export async function openSpool(
  store: LogStore,
  options: SpoolingOptions,
  registry: Registry,
  repeated: RepeatedLog,
): Promise<SpoolingStore> {
  const metrics = new SpoolMetrics(registry);
  const spooling = await SpoolingStore.open(store, options, {
    spooled: (cluster, type, records) => metrics.spooled(cluster, type, records),
    drained: (cluster, type, outcome) => metrics.drained(cluster, type, outcome),
    notTaken: (cluster, type, reason) =>
      repeated.warn('the log store did not take an upload; it is spooled', reason, { cluster, type: type.name }),
    heldBack: ({ cluster, type, day }, reason) =>
      repeated.warn('spooled records are held back', reason, { cluster, type: type.name, day }),
    damaged: (damage) => {
      metrics.damaged(damage);
      const { kept, ...details } = damage;
      repeated.warn('a part of the spool is damaged', `it cannot be read again; ${kept}`, details);
    },
  });
  metrics.show(spooling.spool, registry);
  return spooling;
}

/** Milliseconds for which something has to have waited to be told of: what is only slow is no state of a cluster. */
const TOLD_AFTER = 10_000;

/** Milliseconds for which what was counted is good: thousands of clusters are asked for at the same time. */
const COUNTED = 1_000;

/** Characters of the reason that the CRD allows. */
const LONGEST_REASON = 1024;

/** What waits of each cluster, for its status. */
export function spooledByCluster({ spool }: SpoolingStore): (cluster: string) => SpooledStatus | undefined {
  let counted: ReadonlyMap<string, SpooledStatus> = new Map();
  let until = 0;
  return (cluster) => {
    const now = Date.now();
    if (now >= until) {
      counted = countByCluster(summarize(spool.backlogs).filter(({ oldest }) => now - oldest >= TOLD_AFTER));
      until = now + COUNTED;
    }
    return counted.get(cluster);
  };
}

function countByCluster(backlogs: readonly BacklogSummary[]): ReadonlyMap<string, SpooledStatus> {
  const counted = new Map<string, SpooledStatus>();
  for (const { cluster, oldest, heldBack, ...waiting } of backlogs) {
    const time = new Date(oldest).toISOString();
    const { since = time, records = 0, bytes = 0, reason = heldBack } = counted.get(cluster) ?? {};
    counted.set(cluster, {
      since: since < time ? since : time,
      records: records + waiting.records,
      bytes: bytes + waiting.bytes,
      ...(reason === undefined ? {} : { reason: reason.slice(0, LONGEST_REASON) }),
    });
  }
  return counted;
}

/** In order as long as records are taken, by the store or by the spool; says what waits, and why. */
export async function checkSpooling(spooling: SpoolingStore, signal: AbortSignal): Promise<string> {
  const { spool } = spooling;
  const reason = await spooling.whyAway(signal);
  if (reason !== undefined && spool.trouble !== undefined) throw new Error(`${reason}; ${spool.trouble}`);
  const waiting = summarize(spool.backlogs);
  const records = waiting.reduce((sum, one) => sum + one.records, 0);
  const clusters = new Set(waiting.map(({ cluster }) => cluster)).size;
  const backlog = records === 0 ? [] : [`${records} records of ${clusters} clusters wait in the spool`];
  return [...(reason === undefined ? [] : [`spooling: ${reason}`]), ...backlog].join('; ');
}
