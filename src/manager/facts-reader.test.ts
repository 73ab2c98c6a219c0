import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createSecureContext, createServer, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { createKeyPair, daysFromNow, type KeyPair } from '../clusters/key-pair.ts';
import { managedCluster } from '../clusters/managed-cluster.ts';
import { InnerServer } from '../tunnel/inner-server.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { Tunnels } from '../tunnel/tunnels.ts';
import { YamuxSession } from '../tunnel/yamux/session.ts';
import { ConnectionStates } from './connection-states.ts';
import { FactsReader } from './facts-reader.ts';

let pair: KeyPair;
before(async () => {
  const usages = ['server', 'client'] as const;
  pair = await createKeyPair({ commonName: 'a', dnsNames: ['a'], usages, notAfter: daysFromNow(1) });
});

/** Tunnels of clusters that answer so. */
async function connectAll(t: TestContext, names: readonly string[], listener: RequestListener): Promise<Tunnel[]> {
  const { certificate: cert, key } = pair;
  const server = createServer({ cert, key });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tunnels = new Tunnels();
  t.after(() => {
    tunnels.close();
    server.close();
  });
  const inner = new InnerServer({ context: createSecureContext({ cert, key }), protocols: ['h2'], listener });
  const opened: Tunnel[] = [];
  for (const cluster of names) {
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, ca: cert, servername: 'a' });
    const session = new YamuxSession(socket, { role: 'client' });
    session.on('stream', (stream) => inner.accept(stream));
    const [near] = await accepted;
    opened.push(tunnels.accept(near, { cluster, certificate: new X509Certificate(cert) }));
  }
  return opened;
}

describe('the facts of clusters that connect at once', () => {
  it('are read one cluster after another, and leave no stream open', async (t) => {
    const names = Array.from({ length: 20 }, (_, at) => `cluster-${at}`);
    const tunnels = await connectAll(t, names, (request, response) => {
      const isVersion = request.url?.includes('clusterinformations') === true;
      response.end(JSON.stringify(isVersion ? { spec: { calicoVersion: 'v3.32.1' } } : { items: [] }));
    });
    // When each is begun with.
    const begun: number[] = [];
    for (const tunnel of tunnels) {
      const open = tunnel.open.bind(tunnel);
      t.mock.method(tunnel, 'open', () => {
        begun.push(performance.now());
        return open();
      });
    }
    const states = new ConnectionStates('manager');
    const reader = new FactsReader(states, pino({ enabled: false }), new AbortController().signal);
    for (const tunnel of tunnels) {
      states.connected(tunnel);
      reader.follow(tunnel);
    }
    const versions = () => names.map((name) => states.statusOf(managedCluster(name, {}), Date.now()).calicoVersion);
    const deadline = performance.now() + 30_000;
    while (versions().includes(undefined) && performance.now() < deadline) await sleep(10);
    assert.deepEqual(new Set(versions()), new Set(['v3.32.1']));
    const [first = 0, last = 0] = [begun[0], begun.at(-1)];
    assert.equal(begun.length, names.length);
    assert.ok(last - first > 19 * 49, `19 pauses of 50 ms lie between, and not ${last - first} ms`);
    while (tunnels.some(({ session }) => session.streamCount > 0) && performance.now() < deadline) await sleep(10);
    assert.deepEqual(new Set(tunnels.map(({ session }) => session.streamCount)), new Set([0]));
  });
});
