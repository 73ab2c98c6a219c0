import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { UploadOutcome } from '../logs/ingest/upload.ts';
import type { LogType } from '../logs/types/log-type.ts';
import type { TunnelEnd } from '../tunnel/tunnel.ts';
import type { Tunnels } from '../tunnel/tunnels.ts';

/** Why a connection to the port for clusters was refused. */
export type RefusedConnection = 'handshake' | 'certificate' | 'too_many';

/** Why a stream in a cluster's tunnel was refused. */
export type RefusedStream = 'too_many' | 'handshake';

/** What the manager counts, for Prometheus. */
export class ManagerMetrics {
  readonly registry = new Registry();
  readonly #records = new Counter({
    name: 'kubectl_mcm_ingest_records_total',
    help: 'Records of uploads that were answered 200, by what became of them: stored, known (sent before), differing (known, with another content) or set_aside.',
    labelNames: ['cluster', 'type', 'verdict'],
    registers: [this.registry],
  });
  readonly #turnedAway = new Counter({
    name: 'kubectl_mcm_ingest_turned_away_total',
    help: 'Uploads that have to be sent again: for want of room, because of the store (both 503), or stalled (408).',
    labelNames: ['cluster', 'type'],
    registers: [this.registry],
  });
  readonly #refused = new Counter({
    name: 'kubectl_mcm_connections_refused_total',
    help: 'Connections to the port for clusters that were refused: by their handshake, their certificate, or as too_many of one cluster.',
    labelNames: ['reason'],
    registers: [this.registry],
  });

  readonly #tunnelsOpened = new Counter({
    name: 'kubectl_mcm_tunnels_opened_total',
    help: 'Tunnels that managed clusters have opened, each reconnect anew.',
    registers: [this.registry],
  });
  readonly #tunnelsClosed = new Counter({
    name: 'kubectl_mcm_tunnels_closed_total',
    help: 'Tunnels that ended: lost (the connection broke or the cluster closed it), silent, replaced by a newer one, revoked (the certificate no longer counts), protocol (what came was no yamux), or stopped with the manager.',
    labelNames: ['reason'],
    registers: [this.registry],
  });

  readonly #streamsRefused = new Counter({
    name: 'kubectl_mcm_tunnel_streams_refused_total',
    help: 'Streams that managed clusters opened in their tunnels in vain: too_many were open, or their TLS handshake failed.',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  readonly #throttled = new Counter({
    name: 'kubectl_mcm_tunnel_throttled_seconds_total',
    help: 'Seconds for which what a cluster sent through its tunnel had to wait, being more than --tunnel-bytes-per-second.',
    labelNames: ['cluster'],
    registers: [this.registry],
  });
  readonly #openStore = new Gauge({
    name: 'kubectl_mcm_store_open',
    help: '1 where the log store answers those who do not say who they are: whoever reaches it reads past RBAC.',
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Counts these tunnels from now on. */
  countTunnels(tunnels: Tunnels): void {
    new Gauge({
      name: 'kubectl_mcm_tunnels',
      help: 'Managed clusters whose tunnel is open.',
      registers: [this.registry],
      collect() {
        this.set(tunnels.size);
      },
    });
    tunnels.on('connected', () => this.#tunnelsOpened.inc());
    tunnels.on('closed', (_tunnel, end: TunnelEnd) => this.#tunnelsClosed.inc({ reason: end }));
    tunnels.on('throttled', ({ cluster }, milliseconds) => this.#throttled.inc({ cluster }, milliseconds / 1000));
  }

  taken(cluster: string, { name: type }: LogType, { accepted, known, differing, setAside }: UploadOutcome): void {
    this.#records.inc({ cluster, type, verdict: 'stored' }, accepted - known);
    this.#records.inc({ cluster, type, verdict: 'known' }, known - differing);
    this.#records.inc({ cluster, type, verdict: 'differing' }, differing);
    this.#records.inc({ cluster, type, verdict: 'set_aside' }, setAside);
  }

  storeIsOpen(open: boolean): void {
    this.#openStore.set(open ? 1 : 0);
  }

  refused(reason: RefusedConnection): void {
    this.#refused.inc({ reason });
  }

  streamRefused(reason: RefusedStream): void {
    this.#streamsRefused.inc({ reason });
  }

  turnedAway(cluster: string, { name: type }: LogType): void {
    this.#turnedAway.inc({ cluster, type });
  }
}
