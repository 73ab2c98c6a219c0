// What one cluster may take of the manager through its tunnel, and that others lose nothing by it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { generateGoldmane } from '../fixtures/generate-goldmane.ts';
import { eventually, sharedWorkbench } from './harness.ts';
import { type ClusterEnd, clusterKeys, TunnelPort } from './tunnel-port.ts';

const { elasticsearchUrl } = sharedWorkbench().facts;

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
    // Far less than any machine stores a second.
    const bytesPerSecond = 64 * 1024;
    const port = await TunnelPort.start(t, { elasticsearchUrl, tunnels: { bytesPerSecond } });
    const throttled = (cluster: string) =>
      metric(port, new RegExp(`throttled_seconds_total\\{cluster="${cluster}"\\} (\\S+)`));

    const glutton = await register(port, 'glutton');
    let over = false;
    // This takes half a minute, and nobody waits for it.
    post(await glutton.connect(port.ca), flowsOf(32 * bytesPerSecond)).then(
      () => {
        over = true;
      },
      () => undefined,
    );
    await eventually(async () => (await throttled('glutton')) !== undefined);
    // In the same connection, and behind what it has sent.
    await glutton.session.ping();
    const modest = await register(port, 'modest');
    assert.equal(await post(await modest.connect(port.ca), flowsOf(bytesPerSecond / 2)), 'HTTP/1.1 200 OK');
    assert.equal(await throttled('modest'), undefined);
    assert.equal(over, false);

    const greedy = await register(port, 'greedy');
    const sockets = await Promise.all([greedy.connect(port.ca), greedy.connect(port.ca)]);
    const began = performance.now();
    const answers = await Promise.all(sockets.map((socket) => post(socket, flowsOf(2 * bytesPerSecond))));
    assert.deepEqual(answers, ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK']);
    // Four seconds' worth, of which one may pass at once.
    const seconds = (performance.now() - began) / 1000;
    assert.ok(seconds > 2.9, `${seconds} s`);
    assert.deepEqual([greedy.session.closed, port.statusOf('greedy').connected], [false, 'True']);
  });

  it('does not get another second of its rate by connecting anew', async (t) => {
    const port = await TunnelPort.start(t, { elasticsearchUrl, tunnels: { bytesPerSecond: 1024 * 1024 } });
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
