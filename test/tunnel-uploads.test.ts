// What a cluster's workloads send through its tunnel: Goldmane's way (HTTP/1.1 without ALPN), and others'.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { generateGoldmane } from '../fixtures/generate-goldmane.ts';
import { freePorts } from '../testbed/processes.ts';
import { eventually, sharedWorkbench } from './harness.ts';
import {
  type ClusterEnd,
  clusterKeys,
  heardFrom,
  INGEST_NAME,
  TunnelPort,
  type TunnelPortOptions,
} from './tunnel-port.ts';

const workbench = sharedWorkbench();
const { elasticsearchUrl } = workbench.facts;
const GOLDMANE = '/api/v1/flows/bulk';
const EMPTY_ANSWER = /^HTTP\/1\.1 200 OK\r\ncontent-length: 0\r\n(?:[^\r]+\r\n)*\r\n$/i;

async function connected(t: TestContext, cluster: string, options: Partial<TunnelPortOptions> = {}) {
  const port = await TunnelPort.start(t, { elasticsearchUrl, ...options });
  const keys = await clusterKeys(cluster);
  port.register(cluster, keys);
  const end = await port.open(keys);
  return { port, end, keys };
}

function goldmaneLines(count: number, seed = 1): string {
  const now = Date.now();
  return [...generateGoldmane({ seed, count, from: now - 600_000, to: now })].join('\n');
}

/** As Goldmane's: a length, NDJSON without a newline at its end. */
function post(path: string, body: string, headers = ''): string {
  const length = `content-length: ${Buffer.byteLength(body)}\r\n`;
  return `POST ${path} HTTP/1.1\r\nHost: guardian.calico-system.svc.cluster.local\r\n${headers}${length}\r\n${body}`;
}

/** Sends a request and reads one answer, which has no more than arrives at once. */
async function ask(socket: TLSSocket, request: string): Promise<string> {
  socket.write(request);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

async function askHttp2(end: ClusterEnd, ca: string, path: string, body: string) {
  const socket = await end.connect(ca, ['h2', 'http/1.1']);
  assert.equal(socket.alpnProtocol, 'h2');
  const session = connectHttp2('https://guardian', { createConnection: () => socket });
  const stream = session.request({ ':method': 'POST', ':path': path });
  stream.on('error', () => undefined);
  return { session, stream, body: Buffer.from(body) };
}

describe('Goldmane', () => {
  it('is answered an empty 200 on a connection that serves its next request as well', async (t) => {
    const { port, end } = await connected(t, 'goldmane');
    const socket = await end.connect(port.ca);
    assert.equal(socket.alpnProtocol, false);
    const body = goldmaneLines(2_000);
    for (let window = 0; window < 3; window++) {
      const headers =
        'Content-Type: application/x-ndjson\r\nAccept-Encoding: gzip\r\nUser-Agent: Go-http-client/1.1\r\n';
      assert.match(await ask(socket, post(GOLDMANE, body, headers)), EMPTY_ANSWER);
    }
    assert.equal(port.tunnels.get('goldmane')?.counts.streamsAccepted, 1);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.goldmane.*'), 2_000);
    const metrics = await port.metrics.registry.metrics();
    const counted = (verdict: string) =>
      new RegExp(`ingest_records_total\\{cluster="goldmane",type="flows",verdict="${verdict}"\\} (\\d+)`).exec(
        metrics,
      )?.[1];
    assert.deepEqual(['stored', 'known', 'differing', 'set_aside'].map(counted), ['2000', '4000', '0', '0']);
  });

  it('that sends a flow again with other counts changes nothing, and that is counted', async (t) => {
    const { port, end } = await connected(t, 'recounted');
    const socket = await end.connect(port.ca);
    const [line = ''] = goldmaneLines(1).split('\n');
    const flow = JSON.parse(line) as object;
    assert.match(await ask(socket, post(GOLDMANE, JSON.stringify({ ...flow, bytes_in: 1 }))), EMPTY_ANSWER);
    assert.match(await ask(socket, post(GOLDMANE, JSON.stringify({ ...flow, bytes_in: 2 }))), EMPTY_ANSWER);
    assert.match(await ask(socket, post(GOLDMANE, JSON.stringify({ ...flow, bytes_in: 1 }))), EMPTY_ANSWER);
    const metrics = await port.metrics.registry.metrics();
    assert.match(metrics, /ingest_records_total\{cluster="recounted",type="flows",verdict="differing"\} 1$/m);
    assert.match(metrics, /ingest_records_total\{cluster="recounted",type="flows",verdict="known"\} 1$/m);
    await workbench.elasticsearch.request('POST', '/tigera_secure_ee_flows.recounted.*/_refresh');
    const found = await workbench.elasticsearch.request('GET', '/tigera_secure_ee_flows.recounted.*/_search');
    const { hits } = (found as { hits: { hits: { _source: { bytes_in: number } }[] } }).hits;
    assert.deepEqual(
      hits.map(({ _source }) => _source.bytes_in),
      [1],
    );
  });

  it('is answered 503 at once when Elasticsearch is not there', async (t) => {
    const [nobody] = await freePorts(1);
    const { port, end } = await connected(t, 'storeless', { elasticsearchUrl: `http://127.0.0.1:${nobody}` });
    const socket = await end.connect(port.ca);
    const began = performance.now();
    assert.match(await ask(socket, post(GOLDMANE, goldmaneLines(100))), /^HTTP\/1\.1 503 .*retry-after: 5/is);
    assert.ok(performance.now() - began < 15_000, `${performance.now() - began} ms`);
    assert.match(port.turnedAway[0] ?? '', /^storeless: /);
  });

  it('is answered 503 at once when there is no room, while it is still sending', async (t) => {
    const { port, end } = await connected(t, 'crowded', { ingest: { uploadsPerCluster: 1 } });
    const first = await end.connect(port.ca);
    first.write(post(GOLDMANE, goldmaneLines(10)).slice(0, -1));
    const second = await end.connect(port.ca);
    await eventually(async () => {
      const heard = await ask(second, post(GOLDMANE, goldmaneLines(1)));
      return heard.startsWith('HTTP/1.1 503 ');
    });
    const large = post(GOLDMANE, goldmaneLines(2_000));
    assert.match(await ask(second, large.slice(0, 1_000_000)), /^HTTP\/1\.1 503 .*1 uploads of this cluster/s);
    second.write(large.slice(1_000_000));
    first.write('}');
    await once(first, 'data');
    assert.match(await ask(second, post(GOLDMANE, goldmaneLines(10))), EMPTY_ANSWER);
  });

  it('that stops in the middle of an upload is told so, and its connection ended', async (t) => {
    const { port, end } = await connected(t, 'stalled', { ingest: { idle: 700 } });
    const socket = await end.connect(port.ca);
    const heard = heardFrom(socket);
    socket.write(post(GOLDMANE, goldmaneLines(10)).slice(0, -100));
    const began = performance.now();
    assert.match(await heard, /^HTTP\/1\.1 408 .*connection: close.*no byte came for 0\.7 s/is);
    assert.ok(performance.now() - began < 20_000);
    await eventually(async () => port.tunnels.get('stalled')?.session.streamCount === 0);
  });
});

describe('other workloads of a cluster', () => {
  it('send log files to the paths of their types', async (t) => {
    const { port, end } = await connected(t, 'files');
    const now = Date.now();
    const range = { from: now - 60_000, to: now };
    const socket = await end.connect(port.ca, ['http/1.1']);
    for (const [path, type, lines] of [
      ['/api/v1/flows/logs/bulk', 'flows', [...generateFlows({ seed: 5, count: 50, ...range })]],
      ['/api/v1/dns/logs/bulk', 'dns', [...generateDns({ seed: 5, count: 50, ...range })]],
    ] as const) {
      const answer = await ask(socket, post(path, lines.join('\n')));
      assert.match(answer, /^HTTP\/1\.1 200 .*"accepted":50,"known":0,"setAside":0/s);
      assert.equal(await workbench.elasticsearch.count(`tigera_secure_ee_${type}.files.*`), 50);
    }
    assert.match(await ask(socket, post('/api/v1/flows', '')), /^HTTP\/1\.1 404 /);
    assert.match(await ask(socket, `GET ${GOLDMANE} HTTP/1.1\r\nhost: x\r\n\r\n`), /^HTTP\/1\.1 405 /);
  });

  it('may speak HTTP/2', async (t) => {
    const { port, end } = await connected(t, 'http2');
    const { session, stream, body } = await askHttp2(end, port.ca, GOLDMANE, goldmaneLines(500));
    stream.end(body);
    const [headers] = (await once(stream, 'response')) as [Record<string, string | number>];
    assert.deepEqual([headers[':status'], headers['content-length']], [200, '0']);
    session.close();
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.http2.*'), 500);
  });

  it('that stall over HTTP/2 are told so, and their stream ended', async (t) => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    t.after(() => process.off('warning', onWarning));
    const { port, end } = await connected(t, 'stalled2', { ingest: { idle: 500 } });
    const { session, stream, body } = await askHttp2(end, port.ca, GOLDMANE, goldmaneLines(10));
    stream.write(body.subarray(0, 1_000));
    const [headers] = (await once(stream, 'response')) as [Record<string, string | number>];
    assert.equal(headers[':status'], 408);
    stream.resume();
    await new Promise((resolve) => stream.once('close', resolve));
    assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
    assert.equal(session.destroyed, false);
    await sleep(50);
    assert.deepEqual(warnings, []);
  });

  it('that go away leave nothing behind, whatever they spoke', async (t) => {
    const { port, end } = await connected(t, 'leaving');
    const open = () => port.tunnels.get('leaving')?.session.streamCount;
    await eventually(async () => open() === 0);
    for (const protocols of [undefined, ['h2']]) {
      const stream = end.session.open();
      const socket = connect({ socket: stream, ca: port.ca, servername: INGEST_NAME, ALPNProtocols: protocols ?? [] });
      await once(
        socket.on('error', () => undefined),
        'secureConnect',
      );
      if (protocols === undefined) await ask(socket, post(GOLDMANE, ''));
      else await once(connectHttp2('https://guardian', { createConnection: () => socket }), 'remoteSettings');
      assert.equal(open(), 1);
      // As it comes through Guardian when a workload is killed: its end, and nothing of TLS or HTTP.
      stream.end();
      await eventually(async () => open() === 0);
    }
  });

  it('that only look whether somebody answers are no failure', async (t) => {
    const { port, end } = await connected(t, 'probing');
    const stream = end.session.open();
    stream.resume().end();
    await new Promise((resolve, reject) => stream.once('close', resolve).once('error', reject));
    assert.equal(port.statusOf('probing').connected, 'True');
  });
});
