import { Counter, Registry } from 'prom-client';
import type { UploadAnswer } from '../ingest/upload.ts';
import type { LogType } from '../types/log-type.ts';

/** What a forwarder counts, for Prometheus. */
export class ForwardMetrics {
  readonly registry = new Registry();
  readonly #records = new Counter({
    name: 'kubectl_mcm_forward_records_total',
    help: 'Records that were acknowledged, by what became of them: stored, known (sent before) or set_aside (dead letters).',
    labelNames: ['type', 'verdict'],
    registers: [this.registry],
  });
  readonly #bytes = new Counter({
    name: 'kubectl_mcm_forward_bytes_total',
    help: 'Bytes of log files that were acknowledged.',
    labelNames: ['type'],
    registers: [this.registry],
  });
  readonly #retries = new Counter({
    name: 'kubectl_mcm_forward_retries_total',
    help: 'Uploads that were not acknowledged and had to be made again.',
    registers: [this.registry],
  });

  acknowledged({ name: type }: LogType, bytes: number, { accepted, known, setAside }: UploadAnswer): void {
    this.#records.inc({ type, verdict: 'stored' }, accepted - known);
    this.#records.inc({ type, verdict: 'known' }, known);
    this.#records.inc({ type, verdict: 'set_aside' }, setAside);
    this.#bytes.inc({ type }, bytes);
  }

  retried(): void {
    this.#retries.inc();
  }
}
