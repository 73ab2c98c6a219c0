// The newest tunnel of a cluster is its tunnel; and what one cluster may take of the manager.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { KeyPair } from '../src/clusters/key-pair.ts';
import { TUNNEL_LIMITS, type TunnelLimits } from '../src/tunnel/tunnels.ts';
import { rawFrame } from '../testbed/yamux-peer/raw-peer.ts';
import { eventually, sharedWorkbench } from './harness.ts';
import { clusterKeys, heardFrom, TunnelPort } from './tunnel-port.ts';

const { elasticsearchUrl } = sharedWorkbench().facts;
const POST = 'POST /api/v1/flows/bulk HTTP/1.1\r\nhost: manager\r\n';

async function start(
  t: TestContext,
  tunnels: Partial<TunnelLimits> = {},
): Promise<{ port: TunnelPort; keys: KeyPair }> {
  const port = await TunnelPort.start(t, { elasticsearchUrl, tunnels });
  const keys = await clusterKeys('prod');
  port.register('prod', keys);
  return { port, keys };
}

describe('a tunnel of a cluster that has one', () => {
  it('takes its place: the older is told to go and closed, and the newer serves at once', async (t) => {
    const { port, keys } = await start(t, { handOver: 3_000 });
    const older = await port.open(keys);
    const underWay = await older.connect(port.ca);
    const answer = heardFrom(underWay);
    underWay.write(`${POST}connection: close\r\ncontent-length: 1\r\n\r\n`);
    await eventually(async () => port.statusOf('prod').connected === 'True');
    const replaced = performance.now();
    const newer = await port.open(keys);
    const socket = await newer.connect(port.ca);
    socket.write(`${POST}content-length: 0\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [Buffer];
    assert.match(first.toString(), /^HTTP\/1\.1 200 OK\r\n/);
    // What was under way has a moment to end.
    assert.equal(older.goneAway, true);
    assert.equal(older.session.closed, false);
    underWay.write('\n');
    assert.match(await answer, /^HTTP\/1\.1 200 /);
    await older.closed;
    const took = performance.now() - replaced;
    assert.ok(took > 2_900 && took < 9_000, `${took} ms`);
    const { connected, reconnects, lastError, message } = port.statusOf('prod');
    assert.deepEqual([connected, reconnects, message], ['True', 1, 'The tunnel is open.']);
    assert.equal(lastError, 'replaced by a newer connection from 127.0.0.1');
    assert.equal(newer.session.closed, false);
    assert.deepEqual([port.tunnels.size, port.statusOf('prod').connected], [1, 'True']);
  });

  it('is one of two with the same certificate where they replace each other again and again: the status says so', async (t) => {
    const { port, keys } = await start(t);
    const stop = new AbortController();
    const wins = [0, 0];
    const fight = async (who: number) => {
      while (!stop.signal.aborted) {
        const end = await port.open(keys);
        wins[who] = (wins[who] ?? 0) + 1;
        // As Guardian: dials anew when its connection is closed.
        await end.closed;
        await sleep(20);
      }
    };
    const fights = [fight(0), fight(1)];
    await eventually(async () => /^The tunnel is open, but not for long/.test(port.statusOf('prod').message));
    const { connected, message } = port.statusOf('prod');
    assert.equal(connected, 'True');
    assert.match(
      message,
      / have replaced each other, the last from 127\.0\.0\.1\. Do two clients use one certificate\?$/,
    );
    stop.abort();
    port.remove('prod');
    await Promise.all(fights);
    assert.ok(
      wins.every((count) => count >= 2),
      String(wins),
    );
  });
});

describe('the streams of a cluster', { concurrency: true }, () => {
  it('are reset and counted beyond what it may have, and the others go on', async (t) => {
    const { port, keys } = await start(t);
    assert.equal(TUNNEL_LIMITS.streams, 256);
    const end = await port.open(keys);
    const first = await end.connect(port.ca);
    const streams = Array.from({ length: 200 }, () => end.session.open());
    await eventually(async () => streams.every(({ pending }) => !pending));
    streams.push(...Array.from({ length: 99 }, () => end.session.open()));
    await eventually(async () => streams.filter(({ destroyed }) => destroyed).length === 44);
    assert.equal(port.tunnels.get('prod')?.counts.streamsRefused, 44);
    first.write(`${POST}content-length: 0\r\n\r\n`);
    assert.match(String((await once(first, 'data'))[0]), /^HTTP\/1\.1 200 /);
    for (const stream of streams) stream.destroy();
    const again = await end.connect(port.ca);
    assert.equal(again.authorized, true);
  });

  it('that never finish their TLS handshakes are closed', async (t) => {
    const { port, keys } = await start(t);
    const end = await port.open(keys);
    const began = performance.now();
    const stream = end.session.open();
    stream.write(Buffer.from('16030102', 'hex'));
    await new Promise((resolve) => stream.once('close', resolve));
    const took = performance.now() - began;
    assert.ok(took > 9_000 && took < 30_000, `${took} ms`);
    assert.equal(end.session.closed, false);
  });
});

const PING = '000200010000000000000001';

describe('a tunnel that breaks the rules', () => {
  for (const [what, frames, reason] of [
    ['another version', Buffer.from(`${PING}010200010000000000000000`, 'hex'), /yamux version 1 is not known/],
    ['a stream of ours', rawFrame(1, 1, 2, 0), /a stream was opened with an id of ours/],
    ['more than a window', rawFrame(0, 1, 1, Buffer.alloc(300_000)), /more data came than the window allows/],
    ['that it gives up', rawFrame(3, 0, 0, 2), /the peer gave the session up \(reason 2\)/],
  ] as const) {
    it(`by ${what} is closed, with the reason in the status, and may come again`, async (t) => {
      const { port, keys } = await start(t);
      const socket = await port.connect(keys);
      const heard = heardFrom(socket);
      socket.write(frames);
      await heard;
      assert.equal(port.statusOf('prod').connected, 'False');
      assert.match(port.statusOf('prod').message, reason);
      await port.open(keys);
      await eventually(async () => port.statusOf('prod').connected === 'True');
    });
  }

  it('by resetting its connection is told so in words', async (t) => {
    const { port, keys } = await start(t);
    const tcp = connectTcp(port.port, '127.0.0.1');
    const cert = { cert: keys.certificate, key: keys.key };
    const socket = connect({ socket: tcp, servername: 'voltron', ca: port.ca, ...cert }).on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write(Buffer.from(PING, 'hex'));
    await eventually(async () => port.statusOf('prod').connected === 'True');
    tcp.resetAndDestroy();
    await eventually(async () => port.statusOf('prod').connected === 'False');
    assert.equal(port.statusOf('prod').message, 'The tunnel was closed: the peer reset the connection.');
  });

  it('at random, or breaks off anywhere, does not touch the tunnels of others', async (t) => {
    const { port, keys } = await start(t);
    const others = await clusterKeys('other');
    port.register('other', others);
    const other = await port.open(others);
    const socket = await other.connect(port.ca);
    for (let round = 0; round < 60; round++) {
      const tcp = connectTcp(port.port, '127.0.0.1');
      const raw = connect({
        ...{ socket: tcp, servername: 'voltron', ca: port.ca },
        ...(round % 3 === 0 ? {} : { cert: keys.certificate, key: keys.key }),
        ...(round % 4 === 0 ? { ALPNProtocols: ['http/1.1'] } : {}),
      }).on('error', () => undefined);
      if (round % 2 === 0) await new Promise((resolve) => raw.once('secureConnect', resolve).once('close', resolve));
      raw.write(Buffer.from(Array.from({ length: 50 }, () => Math.floor(Math.random() * 3))));
      setTimeout(() => (round % 5 < 3 ? tcp.resetAndDestroy() : raw.destroy()), Math.random() * 10);
      // The same inside: a stream with something that is no TLS, broken off at some moment.
      const stream = other.session.open();
      stream.write(Buffer.from(Array.from({ length: 50 }, () => 22 + Math.floor(Math.random() * 2))));
      setTimeout(() => stream.destroy(), Math.random() * 20);
      await sleep(5);
    }
    socket.write(`${POST}content-length: 0\r\n\r\n`);
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /);
    assert.equal(port.statusOf('other').connected, 'True');
  });
});
