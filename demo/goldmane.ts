import { once } from 'node:events';
import { request } from 'node:https';
import { generateGoldmane } from '../fixtures/generate-goldmane.ts';
import { readTunnelCredentials } from '../src/clusters/tunnel-credentials.ts';

/** Whom Goldmane believes to talk to. */
const LINSEED = 'tigera-linseed.tigera-elasticsearch.svc';

/**
 * Sends flows as Goldmane does: to the tunnel's in-cluster end, in TLS that only the manager at the other end can
 * answer. @throws Error unless it is answered 200
 */
export async function sendAsGoldmane(options: {
  readonly port: number;
  /** What add-cluster wrote; it holds the CA that Goldmane trusts. */
  readonly manifest: string;
  readonly seed: number;
  readonly count: number;
  readonly from: number;
  readonly to: number;
}): Promise<void> {
  const { port, manifest, ...traffic } = options;
  const body = [...generateGoldmane(traffic)].join('\n');
  const { ca } = readTunnelCredentials(manifest);
  const sent = request({
    method: 'POST',
    host: '127.0.0.1',
    port,
    path: '/api/v1/flows/bulk',
    agent: false,
    ca,
    servername: LINSEED,
    headers: { 'content-type': 'application/x-ndjson', 'content-length': Buffer.byteLength(body) },
  });
  sent.end(body);
  const [response] = await once(sent, 'response');
  response.resume();
  if (response.statusCode !== 200) throw new Error(`Goldmane's flows were answered ${response.statusCode}`);
}
