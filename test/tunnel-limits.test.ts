// What one cluster may take of the manager through its tunnel, and that others lose nothing by it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { generateGoldmane } from '../fixtures/generate-goldmane.ts';
import { eventually, sharedWorkbench } from './harness.ts';
import { type ClusterEnd, clusterKeys, TunnelPort } from './tunnel-port.ts';

const { elasticsearchUrl } = sharedWorkbench().facts;
const MIB = 1024 * 1024;

async function register(port: TunnelPort, cluster: string): Promise<ClusterEnd> {
  const keys = await clusterKeys(cluster);
  port.register(cluster, keys);
  return await port.open(keys);
}

/** Posts as Goldmane does, and resolves with the answer's first line. */
async function post(socket: TLSSocket, body: string): Promise<string> {
  socket.write(`POST /api/v1/flows/bulk HTTP/1.1\r\nhost: manager\r\ncontent-length: ${body.length}\r\n\r\n`);
  socket.write(body);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString().split('\r\n')[0] ?? '';
}

function flowsOf(bytes: number): string {
  const now = Date.now();
  const lines: string[] = [];
  let length = 0;
  for (const line of generateGoldmane({ seed: 3, count: bytes, from: now - 600_000, to: now })) {
    if (length > bytes) break;
    lines.push(line);
    length += line.length + 1;
  }
  return lines.join('\n');
}

async function metric(port: TunnelPort, line: RegExp): Promise<number | undefined> {
  const [, value] = line.exec(await port.metrics.registry.metrics()) ?? [];
  return value === undefined ? undefined : Number(value);
}

describe('a cluster', () => {
  it('that sends all it can gets no more through than its rate, and others are not slowed', async (t) => {
    const port = await TunnelPort.start(t, { elasticsearchUrl, tunnels: { bytesPerSecond: MIB } });
    const [greedy, modest] = [await register(port, 'greedy'), await register(port, 'modest')];
    const body = flowsOf(2 * MIB);
    const sockets = await Promise.all([greedy.connect(port.ca), greedy.connect(port.ca)]);
    const began = performance.now();
    let over = false;
    const sending = Promise.all(sockets.map((socket) => post(socket, body))).then((answers) => {
      over = true;
      return answers;
    });
    await eventually(
      async () => (await metric(port, /throttled_seconds_total\{cluster="greedy"\} (\S+)/)) !== undefined,
    );
    // Behind what it sends, in the same connection.
    await greedy.session.ping();
    assert.equal(await post(await modest.connect(port.ca), flowsOf(MIB / 4)), 'HTTP/1.1 200 OK');
    assert.equal(over, false);
    assert.deepEqual(await sending, ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK']);
    // 4 MiB, of which one may pass at once.
    const seconds = (performance.now() - began) / 1000;
    assert.ok(seconds > 2.9, `${seconds} s`);
    assert.equal(await metric(port, /throttled_seconds_total\{cluster="modest"\} (\S+)/), undefined);
    assert.deepEqual([greedy.session.closed, port.statusOf('greedy').connected], [false, 'True']);
  });

  it('does not get another second of its rate by connecting anew', async (t) => {
    const port = await TunnelPort.start(t, { elasticsearchUrl, tunnels: { bytesPerSecond: MIB } });
    const keys = await clusterKeys('restless');
    port.register('restless', keys);
    const current = () => port.tunnels.get('restless');
    await port.open(keys);
    await eventually(async () => current() !== undefined);
    const first = current();
    const second = await port.open(keys);
    await eventually(async () => current() !== first);
    assert.equal(current()?.rate, first?.rate);
    second.session.close();
    await eventually(async () => current() === undefined);
    await port.open(keys);
    await eventually(async () => current() !== undefined);
    assert.equal(current()?.rate, first?.rate);
  });

  it('that opens too many streams, or streams without TLS, is counted and told so', async (t) => {
    const port = await TunnelPort.start(t, { elasticsearchUrl, tunnels: { streams: 4 } });
    const end = await register(port, 'opener');
    // The last of these are refused.
    const streams = Array.from({ length: 6 }, () => end.session.open().resume());
    await eventually(async () => (await metric(port, /streams_refused_total\{reason="too_many"\} (\d+)/)) === 2);
    assert.equal(port.statusOf('opener').lastError, 'a stream was refused: too many streams are open in its tunnel');
    assert.equal(port.statusOf('opener').connected, 'True');
    streams[0]?.write('this is no TLS, nor anything else');
    await eventually(async () => (await metric(port, /streams_refused_total\{reason="handshake"\} (\d+)/)) === 1);
    // Who only looks is no failure.
    const [, looking] = streams;
    looking?.end();
    await eventually(async () => looking?.closed === true);
    assert.equal(await metric(port, /streams_refused_total\{reason="handshake"\} (\d+)/), 1);
  });

  it('whose forwarders take all the connections it may have still gets its tunnel', async (t) => {
    const port = await TunnelPort.start(t, { elasticsearchUrl, port: { connections: 3, tunnelConnections: 2 } });
    const [tunnel, forwarder] = [await clusterKeys('full'), await clusterKeys('full', { use: 'forwarder' })];
    port.register('full', tunnel, forwarder);
    for (let count = 0; count < 3; count++) await port.connect(forwarder);
    const refused = await port.connect(forwarder);
    if (!refused.closed) await once(refused.resume(), 'close');
    await port.open(tunnel);
    await eventually(async () => port.statusOf('full').connected === 'True');
    // The other way round as well: its tunnel's connections are counted by themselves.
    await port.connect(tunnel);
    const third = await port.connect(tunnel);
    if (!third.closed) await once(third.resume(), 'close');
    assert.equal(await metric(port, /connections_refused_total\{reason="too_many"\} (\d+)/), 2);
  });
});
