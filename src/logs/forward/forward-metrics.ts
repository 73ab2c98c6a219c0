import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { UploadAnswer } from '../ingest/upload.ts';
import type { LogType } from '../types/log-type.ts';
import type { FileLag, FollowedFile } from './file-follower.ts';
import type { Gap, GapLedger } from './gap-ledger.ts';
import type { Spool } from './spool.ts';
import type { SpoolUsage } from './spool-files.ts';

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
  readonly #lostRecords = new Counter({
    name: 'kubectl_mcm_forward_lost_records_total',
    help: 'Records that were lost and counted, by why: each is in a gap.',
    labelNames: ['type', 'reason'],
    registers: [this.registry],
  });
  readonly #lostBytes = new Counter({
    name: 'kubectl_mcm_forward_lost_bytes_total',
    help: 'Bytes of log files that were lost, by why; also where nobody could count the records in them.',
    labelNames: ['type', 'reason'],
    registers: [this.registry],
  });
  #lags: () => readonly FollowedFile[] = () => [];
  #spool: Pick<Spool, 'usage' | 'moved'> | undefined;
  #gaps: Pick<GapLedger, 'pending'> | undefined;

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
    this.#number('kubectl_mcm_forward_spool_bytes', 'Bytes on disk of what is in the spool.', () => this.#usage.bytes);
    this.#number('kubectl_mcm_forward_spool_segments', 'Segments in the spool.', () => this.#usage.segments);
    this.#number('kubectl_mcm_forward_spool_oldest_seconds', 'Age of the oldest segment in the spool.', () =>
      this.#usage.oldest === undefined ? 0 : Math.max(0, (Date.now() - this.#usage.oldest) / 1000),
    );
    this.#number(
      'kubectl_mcm_forward_quarantined_segments',
      'Segments of the spool that were damaged and are set aside.',
      () => this.#usage.quarantined,
    );
    this.#number(
      'kubectl_mcm_forward_gaps',
      'Gaps, of records that were lost, that are not shipped yet.',
      () => this.#gaps?.pending.length ?? 0,
    );
  }

  /** Takes what is spooled, and what was lost, from there. */
  keep(spool: Pick<Spool, 'usage' | 'moved'>, gaps: Pick<GapLedger, 'pending'>): void {
    this.#spool = spool;
    this.#gaps = gaps;
  }

  /** Also what Node.js says of the process. */
  collectDefaults(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Takes the files that are open, and how far they are behind, from there. */
  follow(lags: () => readonly FollowedFile[]): void {
    this.#lags = lags;
  }

  /** The files that are followed. */
  get files(): readonly FollowedFile[] {
    return this.#lags();
  }

  /** Bytes of complete lines that are not acknowledged, in all files. */
  get lagBytes(): number {
    return this.#lags().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Files with data in which nothing has been acknowledged for so many seconds. */
  stalled(seconds: number): readonly FollowedFile[] {
    return this.#lags().filter(({ stalledSeconds }) => stalledSeconds > seconds);
  }

  /** For how many seconds nothing was acknowledged of what is in the spool. */
  get spoolStalledSeconds(): number {
    const { oldest } = this.#usage;
    const since = Math.max(oldest ?? 0, this.#spool?.moved ?? 0);
    return oldest === undefined ? 0 : Math.max(0, (Date.now() - since) / 1000);
  }

  acknowledged({ name: type }: LogType, bytes: number, { accepted, known, setAside }: UploadAnswer): void {
    this.#records.inc({ type, verdict: 'stored' }, accepted - known);
    this.#records.inc({ type, verdict: 'known' }, known);
    this.#records.inc({ type, verdict: 'set_aside' }, setAside);
    this.#bytes.inc({ type }, bytes);
  }

  /** Records were lost; undefined where nobody has counted them. */
  lost({ type, reason, count, bytes }: Gap): void {
    this.#lostRecords.inc({ type, reason }, count ?? 0);
    this.#lostBytes.inc({ type, reason }, bytes);
  }

  retried(): void {
    this.#retries.inc();
  }

  get #usage(): SpoolUsage {
    return this.#spool?.usage ?? { bytes: 0, segments: 0, oldest: undefined, quarantined: 0 };
  }

  #number(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
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
