import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { CertificateRegistry } from '../src/clusters/certificate-registry.ts';
import { createKeyPair, daysFromNow, type KeyPair } from '../src/clusters/key-pair.ts';
import { type ManagedCluster, managedCluster } from '../src/clusters/managed-cluster.ts';
import { HttpIngest, INGEST_LIMITS, type IngestLimits } from '../src/logs/ingest/http-ingest.ts';
import { ElasticsearchStore } from '../src/logs/store/elasticsearch/elasticsearch-store.ts';
import { CurrentSettings } from '../src/logs/store/store-settings.ts';
import { ClusterPort, PORT_LIMITS, type PortLimits } from '../src/manager/cluster-port.ts';
import { ConnectionStates } from '../src/manager/connection-states.ts';
import { ManagerMetrics } from '../src/manager/metrics.ts';
import { RepeatedLog } from '../src/manager/repeated-log.ts';
import { serveTunnels } from '../src/manager/tunnel-service.ts';
import { TUNNEL_LIMITS, type TunnelLimits, Tunnels } from '../src/tunnel/tunnels.ts';
import { YamuxSession } from '../src/tunnel/yamux/session.ts';

/** The name that Goldmane asks for. */
export const INGEST_NAME = 'tigera-linseed.tigera-elasticsearch.svc';

const MANAGER = await createKeyPair({
  commonName: 'voltron',
  dnsNames: ['voltron', INGEST_NAME],
  usages: ['server'],
  notAfter: daysFromNow(1),
});

interface KeyOptions {
  readonly use?: 'tunnel' | 'forwarder';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** A managed cluster's key pair, as add-cluster makes it. */
export async function clusterKeys(cluster: string, { use = 'tunnel', ...times }: KeyOptions = {}): Promise<KeyPair> {
  const usages = ['client', 'server'] as const;
  const subject = { commonName: cluster, organizationalUnit: use };
  return await createKeyPair({ ...subject, usages, notAfter: daysFromNow(1), ...times });
}

export interface TunnelPortOptions {
  readonly elasticsearchUrl: string;
  readonly port?: Partial<PortLimits>;
  readonly ingest?: Partial<IngestLimits>;
  readonly tunnels?: Partial<TunnelLimits>;
}

/** The manager's port for clusters with all that is behind it, in this process; no API server. */
export class TunnelPort {
  readonly tunnels: Tunnels;
  readonly states = new ConnectionStates('test');
  readonly metrics = new ManagerMetrics();
  /** Uploads that were turned away, as `CLUSTER: REASON`. */
  readonly turnedAway: string[] = [];
  readonly ca = MANAGER.certificate;
  readonly #registry = new CertificateRegistry();
  readonly #objects = new Map<string, ManagedCluster>();
  readonly #port: ClusterPort;

  private constructor(options: TunnelPortOptions, signal: AbortSignal) {
    const log = pino({ level: 'silent' });
    const { metrics, states } = this;
    this.tunnels = new Tunnels({ ...TUNNEL_LIMITS, ...options.tunnels });
    const ingest = new HttpIngest(
      new ElasticsearchStore({ url: options.elasticsearchUrl }, new CurrentSettings()),
      {
        taken: ({ cluster }, type, outcome) => metrics.taken(cluster, type, outcome),
        turnedAway: (cluster, _type, reason) => this.turnedAway.push(`${cluster}: ${reason}`),
        failed: (_cluster, error) => {
          throw error;
        },
      },
      { ...INGEST_LIMITS, ...options.ingest },
    );
    const certificate = MANAGER;
    const repeated = new RepeatedLog(log);
    serveTunnels({ tunnels: this.tunnels, states, ingest, certificate, metrics, log, repeated }, signal);
    const refusals = {
      certificateRefused: (claimed: string, reason: string) => states.refused(claimed, reason),
      handshakeFailed: (address: string, reason: string) => states.handshakeFailed(address, reason),
    };
    this.#port = new ClusterPort({
      ...{ registry: this.#registry, ingest, tunnels: this.tunnels, certificate, metrics, log, refusals, repeated },
      limits: { ...PORT_LIMITS, ...options.port },
    });
  }

  static async start(t: TestContext, options: TunnelPortOptions): Promise<TunnelPort> {
    const stop = new AbortController();
    const port = new TunnelPort(options, stop.signal);
    await port.#port.listen({ host: '127.0.0.1', port: 0 });
    t.after(async () => {
      stop.abort();
      port.tunnels.close();
      await port.#port.close();
    });
    return port;
  }

  get port(): number {
    return this.#port.port;
  }

  /** Registers a cluster, or changes which certificates it has. */
  register(cluster: string, ...keys: readonly KeyPair[]): void {
    const pem = keys.map(({ certificate }) => certificate).join('');
    const object = managedCluster(cluster, { certificate: Buffer.from(pem).toString('base64') });
    this.#objects.set(cluster, object);
    this.#registry.set(object);
    this.states.observe(object);
  }

  remove(cluster: string): void {
    this.#objects.delete(cluster);
    this.#registry.delete(cluster);
    this.states.forget(cluster);
  }

  /** The condition and the connection that the manager would write now. */
  statusOf(cluster: string) {
    const object = this.#objects.get(cluster);
    if (object === undefined) throw new Error(`${cluster} is not registered`);
    const { condition, connection } = this.states.statusOf(object, Date.now());
    return { connected: condition.status, message: condition.message, ...connection };
  }

  /** A TLS connection as Guardian's (or with ALPN as a forwarder's), once its handshake is over. */
  async connect(keys: KeyPair | undefined, ALPNProtocols?: string[]): Promise<TLSSocket> {
    const own = keys === undefined ? {} : { cert: keys.certificate, key: keys.key };
    const alpn = ALPNProtocols === undefined ? {} : { ALPNProtocols };
    const socket = connect({ host: '127.0.0.1', port: this.port, ca: this.ca, servername: 'voltron', ...own, ...alpn });
    await once(socket, 'secureConnect');
    return socket.on('error', () => undefined);
  }

  /** A cluster's end of a tunnel. */
  async open(keys: KeyPair): Promise<ClusterEnd> {
    return new ClusterEnd(await this.connect(keys));
  }
}

/** A cluster's end of a tunnel, without anything behind it. */
export class ClusterEnd {
  readonly session: YamuxSession;
  /** Milliseconds from the beginning, and why. */
  readonly closed: Promise<{ readonly after: number; readonly reason: string }>;
  goneAway = false;

  constructor(socket: TLSSocket) {
    const opened = performance.now();
    this.session = new YamuxSession(socket, { role: 'client' });
    // As Guardian does; until it has said something it is no tunnel.
    this.session.ping().catch(() => undefined);
    this.session.once('goAway', () => {
      this.goneAway = true;
    });
    this.closed = new Promise((resolve) => {
      this.session.once('close', ({ message }) => resolve({ after: performance.now() - opened, reason: message }));
    });
  }

  /** A TLS connection in a stream of its own, as a workload makes it through the tunnel. Goldmane offers no ALPN. */
  async connect(ca: string, ALPNProtocols?: string[]): Promise<TLSSocket> {
    const alpn = ALPNProtocols === undefined ? {} : { ALPNProtocols };
    const socket = connect({ socket: this.session.open(), ca, servername: INGEST_NAME, ...alpn });
    await once(socket, 'secureConnect');
    return socket.on('error', () => undefined);
  }
}

/** What comes on a connection until it ends. */
export async function heardFrom(socket: TLSSocket): Promise<string> {
  let heard = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    heard += text;
  });
  await new Promise((resolve) => socket.once('close', resolve));
  return heard;
}
