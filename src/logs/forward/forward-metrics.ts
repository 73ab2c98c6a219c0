import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { UploadAnswer } from '../ingest/upload.ts';
import type { LogType } from '../types/log-type.ts';
import type { FileLag } from './file-follower.ts';

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
  #lags: () => readonly FileLag[] = () => [];

  constructor() {
    this.#gauge('kubectl_mcm_forward_open_files', 'Files that are open.', ['type'], (lag) => [
      { type: lag.type.name },
      1,
    ]);
    const file = ['type', 'file'] as const;
    this.#gauge('kubectl_mcm_forward_lag_bytes', 'Bytes of complete lines that are not acknowledged.', file, (lag) => [
      { type: lag.type.name, file: lag.path },
      lag.bytes,
    ]);
    this.#gauge(
      'kubectl_mcm_forward_lag_seconds',
      'Seconds since the oldest line that is not acknowledged was found.',
      file,
      (lag) => [{ type: lag.type.name, file: lag.path }, lag.seconds],
    );
  }

  /** Also what Node.js says of the process. */
  collectDefaults(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Takes the files that are open, and how far they are behind, from there. */
  follow(lags: () => readonly FileLag[]): void {
    this.#lags = lags;
  }

  /** Bytes of complete lines that are not acknowledged, in all files. */
  get lagBytes(): number {
    return this.#lags().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Files with data in which nothing has been acknowledged for so many seconds. */
  stalled(seconds: number): readonly FileLag[] {
    return this.#lags().filter(({ stalledSeconds }) => stalledSeconds > seconds);
  }

  acknowledged({ name: type }: LogType, bytes: number, { accepted, known, setAside }: UploadAnswer): void {
    this.#records.inc({ type, verdict: 'stored' }, accepted - known);
    this.#records.inc({ type, verdict: 'known' }, known);
    this.#records.inc({ type, verdict: 'set_aside' }, setAside);
    this.#bytes.inc({ type }, bytes);
  }

  retried(): void {
    this.#retries.inc();
  }

  #gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: (lag: FileLag) => [Record<L, string>, number],
  ): void {
    const lags = () => this.#lags();
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of lags().map(read)) this.inc(labels, value);
      },
    });
  }
}
