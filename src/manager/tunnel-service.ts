import { createSecureContext, type SecureContext } from 'node:tls';
import type { Logger } from 'pino';
import type { KeyPair } from '../clusters/key-pair.ts';
import type { HttpIngest } from '../logs/ingest/http-ingest.ts';
import { InnerServer } from '../tunnel/inner-server.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import type { Tunnels } from '../tunnel/tunnels.ts';
import type { ConnectionStates } from './connection-states.ts';
import { FactsReader } from './facts-reader.ts';
import type { ManagerMetrics } from './metrics.ts';
import type { RepeatedLog } from './repeated-log.ts';

export interface TunnelServiceOptions {
  readonly tunnels: Tunnels;
  readonly states: ConnectionStates;
  readonly ingest: HttpIngest;
  /** With the name that Goldmane asks for. */
  readonly certificate: KeyPair;
  readonly metrics: ManagerMetrics;
  readonly log: Logger;
  readonly repeated: RepeatedLog;
}

/**
 * What the manager does with tunnels: takes what clusters send through them, asks the clusters for their facts, and
 * keeps book of who is connected.
 */
export function serveTunnels(options: TunnelServiceOptions, signal: AbortSignal): void {
  const { tunnels, states, certificate, metrics, log, repeated } = options;
  metrics.countTunnels(tunnels);
  const context = createSecureContext({ cert: certificate.certificate, key: certificate.key, minVersion: 'TLSv1.2' });
  const facts = new FactsReader(states, log, signal);
  const servers = new WeakMap<Tunnel, InnerServer>();
  tunnels.on('connected', (tunnel, replaced) => {
    log.info({ cluster: tunnel.cluster, peer: tunnel.address, replaced: replaced?.address }, 'tunnel connected');
    states.connected(tunnel, replaced);
    servers.set(tunnel, innerServer(tunnel, context, options));
    facts.follow(tunnel);
  });
  tunnels.on('disconnected', (tunnel, reason) => {
    log.info({ cluster: tunnel.cluster, reason }, 'tunnel closed');
    states.disconnected(tunnel, reason);
  });
  tunnels.on('refused', ({ cluster }) => {
    const reason = 'too many streams are open in its tunnel';
    metrics.streamRefused('too_many');
    repeated.warn('stream refused', reason, { cluster });
    states.refused(cluster, `a stream was refused: ${reason}`);
  });
  tunnels.on('stream', (stream, tunnel) => servers.get(tunnel)?.accept(stream));
}

/** Takes uploads as the cluster's own; nothing in a request can say whose they are. */
function innerServer(
  { cluster }: Tunnel,
  context: SecureContext,
  { ingest, metrics }: TunnelServiceOptions,
): InnerServer {
  return new InnerServer({
    context,
    protocols: ['h2', 'http/1.1'],
    listener: (request, response) => void ingest.handle(request, response, cluster),
    onHandshakeFailed: () => metrics.streamRefused('handshake'),
  });
}
