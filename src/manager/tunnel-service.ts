import type { RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Logger } from 'pino';
import type { KeyPair } from '../clusters/key-pair.ts';
import { messageOf } from '../errors.ts';
import type { HttpIngest } from '../logs/ingest/http-ingest.ts';
import { ClusterClient } from '../tunnel/cluster-client.ts';
import { InnerServer } from '../tunnel/inner-server.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import type { Tunnels } from '../tunnel/tunnels.ts';
import { readClusterFacts } from './cluster-facts.ts';
import type { ConnectionStates } from './connection-states.ts';

/** Milliseconds between two readings of what a cluster says of itself. */
const FACTS_INTERVAL = 600_000;
const FACTS_RETRY = 60_000;

export interface TunnelServiceOptions {
  readonly tunnels: Tunnels;
  readonly states: ConnectionStates;
  readonly ingest: HttpIngest;
  /** With the name that Goldmane asks for. */
  readonly certificate: KeyPair;
  readonly log: Logger;
}

/**
 * What the manager does with tunnels: takes what clusters send through them, asks the clusters for their facts, and
 * keeps book of who is connected.
 */
export function serveTunnels(options: TunnelServiceOptions, signal: AbortSignal): void {
  const { tunnels, states, certificate, log } = options;
  const context = createSecureContext({ cert: certificate.certificate, key: certificate.key, minVersion: 'TLSv1.2' });
  const servers = new WeakMap<Tunnel, InnerServer>();
  tunnels.on('connected', (tunnel) => {
    log.info({ cluster: tunnel.cluster, peer: tunnel.address }, 'tunnel connected');
    states.connected(tunnel);
    servers.set(tunnel, innerServer(tunnel, context, options));
    void followFacts(tunnel, states, log, signal);
  });
  tunnels.on('disconnected', (tunnel, reason) => {
    log.info({ cluster: tunnel.cluster, reason }, 'tunnel closed');
    states.disconnected(tunnel, reason);
  });
  tunnels.on('stream', (stream, tunnel) => servers.get(tunnel)?.accept(stream));
}

/** Takes uploads as the cluster's own; nothing in a request can say whose they are. */
function innerServer({ cluster }: Tunnel, context: SecureContext, { ingest, log }: TunnelServiceOptions): InnerServer {
  const listener: RequestListener = (request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    ingest.handle(request, response, cluster, gone.signal).catch((error: unknown) => {
      log.error({ err: error, cluster }, 'upload failed');
      if (!response.headersSent) response.writeHead(500, { 'content-length': 0 });
      response.end();
    });
  };
  return new InnerServer({ context, protocols: ['h2', 'http/1.1'], listener });
}

/** Never rejects: a cluster that says nothing of itself is connected all the same. */
async function followFacts(tunnel: Tunnel, states: ConnectionStates, log: Logger, stopped: AbortSignal): Promise<void> {
  const closed = new AbortController();
  tunnel.session.once('close', () => closed.abort());
  const signal = AbortSignal.any([stopped, closed.signal]);
  const client = new ClusterClient(tunnel);
  while (!signal.aborted && !tunnel.session.closed) {
    let pause = FACTS_INTERVAL;
    try {
      states.learned(tunnel.cluster, await readClusterFacts(client, signal));
    } catch (error) {
      pause = FACTS_RETRY;
      if (!signal.aborted) log.debug({ cluster: tunnel.cluster, reason: messageOf(error) }, 'no facts of the cluster');
    }
    await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
