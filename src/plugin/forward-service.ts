import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { messageOf, UserError } from '../errors.ts';
import { createHealthServer } from '../health-port.ts';
import type { HostPort } from '../install/management.ts';
import type { Announcement } from '../logs/forward/announcement.ts';
import type { ForwardSettings } from '../logs/forward/crossing.ts';
import { follow } from '../logs/forward/follow.ts';
import { ForwardMetrics } from '../logs/forward/forward-metrics.ts';
import { forwardOnce } from '../logs/forward/forward-once.ts';
import type { LiveStatus } from '../logs/forward/forward-status.ts';
import { type FollowEvents, ForwardSummary } from '../logs/forward/summary.ts';
import { CatchUpProgress } from './catch-up-progress.ts';

/** Milliseconds for which a file that was rotated away is read on: its writer may not have noticed yet. */
const QUIET = 30_000;

/** Milliseconds between two looks at keys and address: what is mounted changes under our feet. */
const CREDENTIALS_INTERVAL = 10_000;

export interface ForwardServiceOptions {
  /** Reads flags, the configuration file and credentials, again when asked to. @throws UserError */
  readonly read: () => ForwardSettings;
  /** Milliseconds from one run to the next; undefined to follow the files. */
  readonly every: number | undefined;
  /** Where health and metrics are served. */
  readonly health: HostPort | undefined;
  /** Milliseconds with data and without an acknowledgement after which it is not ready. */
  readonly stalledAfter: number;
  /** What its log on stdout tells. */
  readonly level: 'debug' | 'info';
  readonly terminal: Writable;
}

/**
 * Ships files until `signal` aborts, by following them or in runs. SIGHUP reads the configuration again, and so do new
 * keys for the manager, or another address of it.
 * @throws UserError when it cannot begin.
 */
export async function runForwardService(options: ForwardServiceOptions, signal: AbortSignal): Promise<void> {
  const service = new ForwardService(options, signal);
  const health = createHealthServer(
    service.metrics.registry,
    [{ name: 'progress', check: () => service.checkProgress() }],
    () => service.status(),
  );
  try {
    if (options.health !== undefined) {
      const listening = once(health, 'listening');
      health.listen(options.health.port, options.health.host);
      await listening.catch((error: unknown) => {
        throw new UserError(`error: cannot listen for probes: ${messageOf(error)}`, { cause: error });
      });
      service.metrics.collectDefaults();
    }
    await service.run();
  } finally {
    health.close().closeAllConnections();
  }
}

class ForwardService {
  readonly metrics = new ForwardMetrics();
  readonly #id = randomUUID();
  readonly #options: ForwardServiceOptions;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #events: FollowEvents;
  #settings: ForwardSettings;
  /** What follows with the settings as they were ends when others are read. */
  #again = new AbortController();
  /** Since when runs have left something. */
  #leftSince: number | undefined;

  constructor(options: ForwardServiceOptions, signal: AbortSignal) {
    this.#options = options;
    this.#log = pino({ level: options.level });
    this.#signal = signal;
    this.#settings = options.read();
    const log = this.#log;
    this.#events = {
      detail: (text) => log.debug(text),
      warning: (text) => log.warn(text),
      error: (text) => log.error(text),
      heartbeat: (report) => log.info(report, 'shipped in the last minute'),
    };
  }

  async run(): Promise<void> {
    const { every } = this.#options;
    const log = this.#log;
    const settings = this.#settings;
    const to =
      'elasticsearch' in settings ? { elasticsearch: settings.elasticsearch.url } : { manager: settings.address };
    const often = every === undefined ? {} : { everySeconds: every / 1000 };
    const hangUp = () => {
      if (this.#readAgain()) this.#again.abort();
    };
    // For good, and before a word is said: a signal that nobody listens to ends the process.
    process.on('SIGHUP', hangUp);
    const looks = setInterval(() => {
      if (this.#hasNewCredentials()) hangUp();
    }, CREDENTIALS_INTERVAL);
    try {
      log.info({ cluster: settings.cluster, ...to, ...often }, 'forwarding');
      if (every === undefined) await this.#follow();
      else await this.#runEvery(every);
      log.info('forwarder stopped');
    } finally {
      clearInterval(looks);
      process.off('SIGHUP', hangUp);
    }
  }

  /** What `forward status` asks for. */
  status(): LiveStatus {
    return { id: this.#id, files: this.metrics.files.map(({ bytes, position }) => ({ bytes, position })) };
  }

  /** Where that is. */
  get #announcement(): { readonly announcement?: Announcement } {
    const { health } = this.#options;
    if (health === undefined) return {};
    // Every address of the machine: then also this one.
    const host = health.host === '0.0.0.0' ? '127.0.0.1' : health.host;
    return { announcement: { url: `http://${host.includes(':') ? `[${host}]` : host}:${health.port}`, id: this.#id } };
  }

  /** @throws Error saying what does not move. */
  async checkProgress(): Promise<void> {
    const { stalledAfter } = this.#options;
    const [stalled] = this.metrics.stalled(stalledAfter / 1000);
    if (stalled !== undefined) {
      const { path, bytes, stalledSeconds } = stalled;
      throw new Error(`${path}: ${bytes} bytes, and nothing acknowledged for ${Math.round(stalledSeconds)} s`);
    }
    const spoolStalled = this.metrics.spoolStalledSeconds;
    if (spoolStalled * 1000 > stalledAfter) {
      throw new Error(`the spool is not empty, and nothing of it was acknowledged for ${Math.round(spoolStalled)} s`);
    }
    if (this.#leftSince !== undefined && performance.now() - this.#leftSince > stalledAfter) {
      throw new Error(
        `no run has shipped everything for ${Math.round((performance.now() - this.#leftSince) / 1000)} s`,
      );
    }
  }

  /** With other settings everything begins anew, from where it is acknowledged. */
  async #follow(): Promise<void> {
    const { terminal } = this.#options;
    while (!this.#signal.aborted) {
      this.#again = new AbortController();
      const progress = new CatchUpProgress(terminal, () => this.metrics.lagBytes);
      try {
        const signal = AbortSignal.any([this.#signal, this.#again.signal]);
        await follow({
          ...this.#settings,
          ...this.#announcement,
          metrics: this.metrics,
          events: this.#events,
          quiet: QUIET,
          signal,
        });
      } finally {
        progress.end();
      }
    }
  }

  async #runEvery(every: number): Promise<void> {
    while (!this.#signal.aborted) {
      const next = performance.now() + every;
      await this.#runOnce();
      await sleep(Math.max(0, next - performance.now()), undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }

  async #runOnce(): Promise<void> {
    const { terminal } = this.#options;
    const log = this.#log;
    const started = performance.now();
    const summary = new ForwardSummary();
    const progress = new CatchUpProgress(terminal, () => summary.leftBytes);
    try {
      const options = {
        ...this.#settings,
        ...this.#announcement,
        metrics: this.metrics,
        events: this.#events,
        signal: this.#signal,
      };
      await forwardOnce(options, summary);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      summary.incomplete.push(error.message.replace(/^error: /, ''));
    } finally {
      progress.end();
    }
    for (const text of [...summary.unreadable, ...summary.incomplete]) log.error(text);
    for (const { type, ...counts } of summary.types) log.info({ type: type.label, ...counts }, 'shipped');
    if (summary.incomplete.length === 0) this.#leftSince = undefined;
    else this.#leftSince ??= started;
  }

  #hasNewCredentials(): boolean {
    try {
      return credentialsOf(this.#options.read()) !== credentialsOf(this.#settings);
    } catch (error) {
      // In the middle of being written, or wrong: who asks for it by SIGHUP is told.
      if (error instanceof UserError) return false;
      throw error;
    }
  }

  /** False when it is as bad as to go on with what there was. */
  #readAgain(): boolean {
    const { read } = this.#options;
    const log = this.#log;
    try {
      this.#settings = read();
      log.info('the configuration was read again');
      return true;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      log.error(`${error.message.replace(/^error: /, '')}; going on with the configuration as it was`);
      return false;
    }
  }
}

/** By what the manager knows us, and where it is; what is so of an Elasticsearch stands in flags and files that SIGHUP is for. */
function credentialsOf(settings: ForwardSettings): string {
  return 'elasticsearch' in settings ? '' : settings.address + settings.certificate + settings.key;
}
