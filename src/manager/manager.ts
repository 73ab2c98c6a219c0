import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { CertificateRegistry } from '../clusters/certificate-registry.ts';
import { MANAGEMENT_CLUSTER } from '../clusters/managed-cluster.ts';
import { codeOf, messageOf, UserError } from '../errors.ts';
import { createHealthServer, type ReadinessCheck } from '../health-port.ts';
import type { HostPort } from '../install/management.ts';
import type { KubeClient } from '../kube/client.ts';
import { StatusError } from '../kube/status.ts';
import { HttpIngest } from '../logs/ingest/http-ingest.ts';
import type { SpoolingOptions } from '../logs/spool/spooling-store.ts';
import type { DayKeeper } from '../logs/store/elasticsearch/day-keeper.ts';
import type { StoreReport } from '../logs/store/elasticsearch/store-report.ts';
import type { LogStore } from '../logs/store/log-store.ts';
import type { CurrentSettings } from '../logs/store/store-settings.ts';
import { LogAccess } from '../rbac/log-access.ts';
import { TUNNEL_LIMITS, Tunnels } from '../tunnel/tunnels.ts';
import { AddressApi } from './address-api.ts';
import { AggregatedApiServer } from './aggregated-api.ts';
import { ClusterPort } from './cluster-port.ts';
import { ClusterStatusWriter } from './cluster-status.ts';
import { ConnectionStates } from './connection-states.ts';
import { FleetApi } from './fleet-api.ts';
import { followClusters, registryFilled } from './followed-clusters.ts';
import { FollowedFrontProxy } from './followed-front-proxy.ts';
import { LogApi, type LogApiOptions } from './log-api.ts';
import { LogReader } from './log-reader.ts';
import { ManagerReport } from './manager-report.ts';
import { ManagerMetrics } from './metrics.ts';
import { watchOpenStore } from './open-store.ts';
import { RepeatedLog } from './repeated-log.ts';
import { ResourceApi } from './resource-api.ts';
import { readServingCertificate } from './serving-certificate.ts';
import { checkSpooling, openSpool, spooledByCluster } from './spool-service.ts';
import { StoreService } from './store-service.ts';
import { StoredDays } from './stored-days.ts';
import { serveTunnels } from './tunnel-service.ts';
import { TurnedAwayUploads } from './turned-away.ts';
import { UnsentLogs } from './unsent-logs.ts';

export interface ManagerOptions {
  readonly client: KubeClient;
  readonly store: LogStore;
  /** Where records wait while the store does not take them; without one, senders are told to come back. */
  readonly spool?: SpoolingOptions | undefined;
  /** How the store is configured, and what is to be done about its days. */
  readonly settings: CurrentSettings;
  readonly days: DayKeeper;
  /** How the store is, and where. */
  readonly storeReport: StoreReport;
  readonly storeUrls: readonly string[];
  /** Whether the store answers those who do not say who they are; undefined where it does not answer. */
  readonly answersAnybody: (signal: AbortSignal) => Promise<boolean | undefined>;
  readonly log: Logger;
  /** For managed clusters (9449). */
  readonly clusters: HostPort;
  /** For kube-apiserver (8443). */
  readonly api: HostPort;
  /** For probes and Prometheus (9090). */
  readonly health: HostPort;
  /** What may come out of the tunnel of one cluster. */
  readonly tunnelBytesPerSecond: number;
}

/** Milliseconds between looks at whose status is to be written. */
const STATUS_INTERVAL = 1_000;

/**
 * Runs the manager until `stopped` aborts: the port that managed clusters dial, the aggregated API, and what keeps both
 * true (the watch of ManagedClusters, their status). Listens only once it knows which certificates there are.
 *
 * @throws UserError when it cannot start: not installed, no rights, a port that is taken.
 */
export async function runManager(options: ManagerOptions, stopped: AbortSignal): Promise<void> {
  const { client, log } = options;
  const failed = new AbortController();
  const signal = AbortSignal.any([stopped, failed.signal]);
  const certificate = await readServingCertificate(client, signal);
  const followedFrontProxy = new FollowedFrontProxy(client, log);
  const frontProxy = await followedFrontProxy.read(signal);

  const registry = new CertificateRegistry();
  const metrics = new ManagerMetrics();
  const repeated = new RepeatedLog(log);
  const identity = `${hostname()}:${options.clusters.port}`;
  const states = new ConnectionStates(identity);
  const storeService = new StoreService({
    client,
    settings: options.settings,
    days: options.days,
    identity: `${identity}_${randomUUID()}`,
    clusters: () => registry.size + 1,
    log,
    repeated,
  });
  await storeService.start(signal);
  const spooling =
    options.spool === undefined ? undefined : await openSpool(options.store, options.spool, metrics.registry, repeated);
  const store = spooling ?? options.store;
  const status = new ClusterStatusWriter(
    client,
    registry,
    states,
    (cluster, error) => {
      const reason = error instanceof StatusError ? error.reason : messageOf(error);
      repeated.warn('status not written', reason, { cluster, err: error });
    },
    spooling === undefined ? undefined : spooledByCluster(spooling),
  );
  const turnedAway = new TurnedAwayUploads();
  const unsent = new UnsentLogs();
  const ingest = new HttpIngest(store, {
    taken: (source, type, outcome) => {
      const { cluster } = source;
      metrics.taken(cluster, type, outcome);
      if (outcome.accepted + outcome.setAside > 0) status.received(cluster, Date.now());
      unsent.note(source, type, outcome.newest, Date.now());
    },
    turnedAway: (cluster, type, reason, fault) => {
      metrics.turnedAway(cluster, type);
      if (fault !== undefined) turnedAway.note(cluster, type, fault, reason, Date.now());
      repeated.warn('upload turned away', reason, { cluster, type: type.name });
    },
    failed: (cluster, error) => log.error({ err: error, cluster }, 'upload failed'),
  });
  const tunnels = new Tunnels({ ...TUNNEL_LIMITS, bytesPerSecond: options.tunnelBytesPerSecond });
  serveTunnels({ tunnels, states, ingest, certificate, metrics, log, repeated }, signal);
  const refusals = {
    certificateRefused: (claimed: string, reason: string) => states.refused(claimed, reason),
    handshakeFailed: (address: string, reason: string) => states.handshakeFailed(address, reason),
  };
  const clusterPort = new ClusterPort({ registry, ingest, tunnels, certificate, metrics, log, repeated, refusals });
  const reading: LogApiOptions = {
    reader: new LogReader({
      store,
      silentSince: (cluster) => status.silentSince(cluster),
      unsent: (query, now) => unsent.within(query, now),
      backlogs: () => spooling?.spool.backlogs ?? [],
    }),
    access: new LogAccess(client, signal),
    isRegistered: (cluster) => cluster === MANAGEMENT_CLUSTER || registry.has(cluster),
  };
  const filled = registryFilled(registry, signal);
  let isFilled = false;
  const checks: readonly ReadinessCheck[] = [
    {
      name: 'log-store',
      // Who is not ready gets no requests, and then nobody is told why: kube-apiserver says that the API is away, which
      // holds up the deletion of namespaces, and clusters cannot connect.
      optional: true,
      check: (timeout) => (spooling === undefined ? store.ping(timeout) : checkSpooling(spooling, timeout)),
    },
    { name: 'managed-clusters', check: async () => assertSo(isFilled, 'they have not been listed yet') },
    { name: 'front-proxy', check: async () => followedFrontProxy.refusal },
    { name: 'aggregated-api', check: () => listening(aggregatedApi.server) },
    { name: 'cluster-port', check: () => listening(clusterPort) },
  ];
  let storeIsOpen: boolean | undefined;
  const report = new ManagerReport({
    ...options,
    identity,
    certificate,
    checks,
    storeService,
    answersAnybody: () => storeIsOpen,
    spooling: spooling === undefined ? undefined : { spool: spooling.spool, size: options.spool?.size ?? 0 },
    turnedAway,
  });
  const resources = new ResourceApi([new StoredDays(options.days, options.settings), report]);
  const addresses = new AddressApi({ tunnels, isRegistered: (cluster) => registry.has(cluster), log });
  const aggregatedApi = new AggregatedApiServer({
    apis: [resources, new FleetApi(reading), new LogApi(reading), addresses],
    certificate,
    frontProxy,
    log,
  });
  const health = createHealthServer(metrics.registry, checks);

  const found = (open: boolean) => {
    storeIsOpen = open;
    metrics.storeIsOpen(open);
  };
  const watches = [
    followClusters(client, registry, status, signal, log),
    followedFrontProxy.follow((changed) => aggregatedApi.setFrontProxy(changed), signal),
    writeStatuses(status, signal),
    storeService.run(signal),
    watchOpenStore({ answersAnybody: options.answersAnybody, found, log }, signal),
  ];
  try {
    await listen(health, options.health);
    await filled;
    isFilled = true;
    if (signal.aborted) return;
    await listen(aggregatedApi.server, options.api);
    await explained(clusterPort.listen(options.clusters), options.clusters);
    log.info(
      { clusters: options.clusters, api: options.api, health: options.health },
      'manager ready: listening for managed clusters, API requests and probes',
    );
    // Not waited for: what comes meanwhile is spooled, or turned away and told so.
    store.ping(signal).catch((error: unknown) => {
      if (!signal.aborted)
        log.warn(
          { reason: messageOf(error) },
          `the log store does not answer; uploads are ${spooling === undefined ? 'turned away' : 'spooled'} until it does`,
        );
    });
    await Promise.all(watches);
  } finally {
    failed.abort();
    tunnels.close();
    await clusterPort.close();
    aggregatedApi.server.close().closeAllConnections();
    health.close().closeAllConnections();
    await spooling?.close();
    repeated.close();
  }
}

async function writeStatuses(status: ClusterStatusWriter, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    status.writeDue(signal);
    await sleep(STATUS_INTERVAL, undefined, { signal }).catch(() => undefined);
  }
}

async function listen(server: Server, at: HostPort): Promise<void> {
  server.listen(at);
  await explained(once(server, 'listening'), at);
}

/** @throws UserError that says which port it is */
async function explained(listening: Promise<unknown>, { host, port }: HostPort): Promise<void> {
  try {
    await listening;
  } catch (error) {
    const taken = codeOf(error) === 'EADDRINUSE' ? 'the port is taken' : messageOf(error);
    throw new UserError(`error: cannot listen on ${host}:${port}: ${taken}`);
  }
}

async function listening(server: { readonly listening: boolean }): Promise<void> {
  assertSo(server.listening, 'not listening');
}

function assertSo(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}
