import type { Registry } from 'prom-client';
import type { SpooledStatus } from '../clusters/managed-cluster.ts';
import type { HeldBack } from '../logs/spool/backlog.ts';
import { type BacklogSummary, summarize } from '../logs/spool/backlog-summary.ts';
import type { Spool } from '../logs/spool/spool.ts';
import { type SpoolingOptions, SpoolingStore } from '../logs/spool/spooling-store.ts';
import type { LogStore } from '../logs/store/log-store.ts';
import type { SpoolStatus } from './manager-status.ts';
import type { RepeatedLog } from './repeated-log.ts';
import { bounded, SpoolMetrics } from './spool-metrics.ts';
import { troubleOf } from './trouble.ts';

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
    const { since = time, records = 0, bytes = 0, reason = reasonOf(heldBack) } = counted.get(cluster) ?? {};
    counted.set(cluster, {
      since: since < time ? since : time,
      records: records + waiting.records,
      bytes: bytes + waiting.bytes,
      ...(reason === undefined ? {} : { reason: reason.slice(0, LONGEST_REASON) }),
    });
  }
  return counted;
}

function reasonOf([first]: readonly HeldBack[]): string | undefined {
  return first === undefined ? undefined : troubleOf(first).message;
}

/** Days that are held back which are named for each cluster and log type. */
const MOST_NAMED = 3;

/** What waits, for the API. `size` is what the spool may have of the disk, in bytes. */
export function spoolStatus(spool: Spool, size: number): SpoolStatus {
  const waiting = summarize(spool.backlogs);
  return {
    size,
    used: spool.used,
    free: spool.free,
    trouble: spool.trouble,
    records: waiting.reduce((sum, { records }) => sum + records, 0),
    bytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
    backlog: bounded(waiting).map(({ oldest, heldBack, ...item }) => ({
      ...item,
      oldest: iso(oldest),
      heldBack: heldBack.slice(0, MOST_NAMED).map((held) => ({ ...troubleOf(held), tried: iso(held.time) })),
    })),
  };
}

function iso(time: number): string {
  return new Date(time).toISOString();
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
