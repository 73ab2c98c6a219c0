import { Counter, Gauge, type Registry } from 'prom-client';
import { type BacklogSummary, summarize } from '../logs/spool/backlog-summary.ts';
import type { DrainOutcome } from '../logs/spool/drainer.ts';
import type { Damage } from '../logs/spool/quarantine.ts';
import type { Spool } from '../logs/spool/spool.ts';
import type { LogType } from '../logs/types/log-type.ts';

/** Clusters and types whose backlog is told apart; those that have less are counted together, as cluster "". */
const MOST_TOLD = 500;

/** What the manager counts of its spool, for Prometheus. */
export class SpoolMetrics {
  readonly #spooled: Counter;
  readonly #drained: Counter;
  readonly #quarantined: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    const labelNames = ['cluster', 'type'];
    this.#spooled = new Counter({
      name: 'kubectl_mcm_spool_spooled_records_total',
      help: 'Records, dead letters among them, that were spooled since the log store did not take them.',
      labelNames,
      registers,
    });
    this.#drained = new Counter({
      name: 'kubectl_mcm_spool_drained_records_total',
      help: 'Records that were spooled and wait no more, by what became of them: stored, known, differing or set_aside.',
      labelNames: [...labelNames, 'verdict'],
      registers,
    });
    this.#quarantined = new Counter({
      name: 'kubectl_mcm_spool_quarantined_bytes_total',
      help: 'Bytes of the spool that could not be read again as they were written.',
      registers,
    });
  }

  /** Shows this spool's backlog from now on. */
  show(spool: Spool, registry: Registry): void {
    const gauge = (name: string, help: string, read: (summary: BacklogSummary) => number) =>
      new Gauge({
        name: `kubectl_mcm_spool_${name}`,
        help,
        labelNames: ['cluster', 'type'],
        registers: [registry],
        collect() {
          this.reset();
          for (const summary of bounded(summarize(spool.backlogs))) {
            this.set({ cluster: summary.cluster, type: summary.type }, read(summary));
          }
        },
      });
    gauge('records', 'Records that wait in the spool.', ({ records }) => records);
    gauge('bytes', 'Bytes that they have on disk.', ({ bytes }) => bytes);
    gauge('oldest_seconds', 'How long the oldest of them has waited.', ({ oldest }) => (Date.now() - oldest) / 1000);
    new Gauge({
      name: 'kubectl_mcm_spool_free_bytes',
      help: 'Room that is left in the spool.',
      registers: [registry],
      collect() {
        this.set(spool.free);
      },
    });
  }

  spooled(cluster: string, { name: type }: LogType, records: number): void {
    this.#spooled.inc({ cluster, type }, records);
  }

  drained(cluster: string, { name: type }: LogType, { stored, known, differing, setAside }: DrainOutcome): void {
    this.#drained.inc({ cluster, type, verdict: 'stored' }, stored);
    this.#drained.inc({ cluster, type, verdict: 'known' }, known - differing);
    this.#drained.inc({ cluster, type, verdict: 'differing' }, differing);
    this.#drained.inc({ cluster, type, verdict: 'set_aside' }, setAside);
  }

  damaged({ bytes }: Damage): void {
    this.#quarantined.inc(bytes);
  }
}

/** The same, with those that are too many to be told apart together, as cluster "". */
export function bounded(summaries: readonly BacklogSummary[]): readonly BacklogSummary[] {
  const others = new Map<string, BacklogSummary>();
  for (const { type, records, bytes, oldest } of summaries.slice(MOST_TOLD)) {
    const sum = others.get(type) ?? { cluster: '', type, records: 0, bytes: 0, oldest, heldBack: [] };
    others.set(type, sum);
    sum.records += records;
    sum.bytes += bytes;
    sum.oldest = Math.min(sum.oldest, oldest);
  }
  return [...summaries.slice(0, MOST_TOLD), ...others.values()];
}
