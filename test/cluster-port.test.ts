import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { CertificateRegistry } from '../src/clusters/certificate-registry.ts';
import type { ForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import { createKeyPair, daysFromNow, type KeyPair } from '../src/clusters/key-pair.ts';
import { managedCluster } from '../src/clusters/managed-cluster.ts';
import { HttpIngest, INGEST_LIMITS, type IngestLimits } from '../src/logs/ingest/http-ingest.ts';
import { ElasticsearchStore } from '../src/logs/store/elasticsearch/elasticsearch-store.ts';
import type { WriteOutcome } from '../src/logs/store/log-store.ts';
import { CurrentSettings } from '../src/logs/store/store-settings.ts';
import { ClusterPort, PORT_LIMITS, type PortLimits } from '../src/manager/cluster-port.ts';
import { ManagerMetrics } from '../src/manager/metrics.ts';
import { RepeatedLog } from '../src/manager/repeated-log.ts';
import { Tunnels } from '../src/tunnel/tunnels.ts';
import { eventually, post, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const PATH = '/api/v1/flows/logs/bulk';
const keys = new Map<string, KeyPair>();

before(async () => {
  const notAfter = daysFromNow(1);
  keys.set(
    'manager',
    await createKeyPair({ commonName: 'manager', dnsNames: ['voltron'], usages: ['server'], notAfter }),
  );
  for (const name of ['greedy', 'modest', 'stranger']) {
    const request = { commonName: name, organizationalUnit: 'forwarder', usages: ['client'], notAfter } as const;
    keys.set(name, await createKeyPair(request));
  }
});

function keysOf(name: string): KeyPair {
  const found = keys.get(name);
  assert.ok(found);
  return found;
}

function flows(count: number): string {
  const now = Date.now();
  return `${[...generateFlows({ seed: 11, count, from: now - 60_000, to: now })].join('\n')}\n`;
}

interface LogLine {
  readonly msg: string;
  readonly reason?: string;
  readonly count?: number;
}

interface Port {
  readonly lines: readonly LogLine[];
  /** What was turned away, by cluster. */
  readonly turnedAway: readonly string[];
  readonly metrics: ManagerMetrics;
  readonly repeated: RepeatedLog;
  as(name: string): ForwarderCredentials;
  /** A connection that has written so much, and what it hears until it ends. */
  open(name: string, text: string): Promise<OpenConnection>;
}

/** The shared Elasticsearch, as if it were far away. */
class SlowStore extends ElasticsearchStore {
  readonly delay = 1_500;
  writes = 0;

  override async write(...args: Parameters<ElasticsearchStore['write']>): Promise<WriteOutcome> {
    this.writes++;
    await sleep(this.delay);
    return await super.write(...args);
  }
}

interface OpenConnection {
  readonly socket: TLSSocket;
  readonly ended: Promise<{ readonly text: string; readonly after: number }>;
}

/** The manager's port for clusters, before the shared Elasticsearch, with other limits than usual. */
async function startPort(
  t: TestContext,
  limits: { readonly port?: Partial<PortLimits>; readonly ingest?: Partial<IngestLimits> },
  store = new ElasticsearchStore({ url: workbench.facts.elasticsearchUrl }, new CurrentSettings()),
): Promise<Port> {
  const lines: LogLine[] = [];
  const turnedAway: string[] = [];
  const write = (chunk: Buffer, _encoding: string, done: () => void) => {
    lines.push(JSON.parse(String(chunk)) as LogLine);
    done();
  };
  const log = pino(new Writable({ write }));
  const repeated = new RepeatedLog(log);
  const metrics = new ManagerMetrics();
  const registry = new CertificateRegistry();
  const certificateOf = (name: string) => Buffer.from(keysOf(name).certificate).toString('base64');
  registry.replaceAll(['greedy', 'modest'].map((name) => managedCluster(name, { certificate: certificateOf(name) })));
  const ingest = new HttpIngest(
    store,
    {
      taken: () => undefined,
      turnedAway: (cluster, _type, reason) => turnedAway.push(`${cluster}: ${reason}`),
      failed: (_cluster, error) => {
        throw error;
      },
    },
    { ...INGEST_LIMITS, ...limits.ingest },
  );
  const certificate = keysOf('manager');
  const tunnels = new Tunnels();
  const refusals = { certificateRefused: () => undefined, handshakeFailed: () => undefined };
  const port = new ClusterPort({
    ...{ registry, ingest, certificate, metrics, log, repeated, tunnels, refusals },
    limits: { ...PORT_LIMITS, ...limits.port },
  });
  await port.listen({ host: '127.0.0.1', port: 0 });
  t.after(async () => {
    await port.close();
    repeated.close();
  });
  const address = `127.0.0.1:${port.port}`;
  const as = (name: string) => ({
    ...{ cluster: name, address, serverName: 'voltron', ca: certificate.certificate },
    ...{ certificate: keysOf(name).certificate, key: keysOf(name).key },
  });
  return { lines, turnedAway, metrics, repeated, as, open: (name, text) => openConnection(as(name), text) };
}

async function openConnection(credentials: ForwarderCredentials, text: string): Promise<OpenConnection> {
  const [host = '', port = ''] = credentials.address.split(':');
  const { ca, certificate: cert, key, serverName: servername } = credentials;
  const socket = connect({ host, port: Number(port), ca, cert, key, servername });
  const opened = performance.now();
  let heard = '';
  const ended = new Promise<{ text: string; after: number }>((resolve) => {
    socket.setEncoding('utf8').on('data', (part: string) => {
      heard += part;
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve({ text: heard, after: performance.now() - opened }));
  });
  await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
  socket.write(text);
  return { socket, ended };
}

/** An upload that has begun: more is announced than comes. */
function begun(line = flows(1)): string {
  return `POST ${PATH} HTTP/1.1\r\nhost: manager\r\ncontent-length: 1000000\r\n\r\n${line}`;
}

describe('an upload', () => {
  it('that stalls is ended, and leaves its place to others', async (t) => {
    const port = await startPort(t, { ingest: { uploads: 2, uploadsPerCluster: 2, idle: 4_000 } });
    const stalled = [await port.open('greedy', begun()), await port.open('greedy', begun(''))];
    await eventually(async () => (await post(port.as('modest'), PATH, flows(1))).code === 503);
    assert.match(port.turnedAway[0] ?? '', /^modest: 2 uploads are under way already$/);
    for (const { ended } of stalled) {
      const { text, after: lasted } = await ended;
      assert.match(text, /^HTTP\/1\.1 408 .*"error":"no byte came for 4 s"/s);
      assert.match(text, /^connection: close\r$/im);
      assert.ok(lasted > 3_900 && lasted < 20_000, `${lasted} ms`);
    }
    assert.equal(port.turnedAway.filter((said) => said === 'greedy: no byte came for 4 s').length, 2);
    assert.equal((await post(port.as('modest'), PATH, flows(1))).code, 200);
  });

  it('may take its time, as long as it goes on', async (t) => {
    const port = await startPort(t, { ingest: { idle: 2_500 } });
    const body = flows(3);
    const { socket, ended } = await port.open(
      'modest',
      `POST ${PATH} HTTP/1.1\r\nhost: manager\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`,
    );
    const bytes = Buffer.from(body);
    const size = Math.ceil(bytes.length / 6);
    for (let at = 0; at < bytes.length; at += size) {
      await sleep(500);
      socket.write(bytes.subarray(at, at + size));
    }
    assert.match((await ended).text, /^HTTP\/1\.1 200 /);
  });

  it('is not charged for the time that the store takes', async (t) => {
    const store = new SlowStore({ url: workbench.facts.elasticsearchUrl }, new CurrentSettings());
    const port = await startPort(t, { ingest: { idle: store.delay - 500 } }, store);
    const headers = { 'content-encoding': 'gzip' };
    const { code, text } = await post(port.as('modest'), PATH, gzipSync(flows(10_000)), { headers });
    assert.equal(code, 200, text);
    assert.ok(store.writes >= 2, 'in the middle of the upload as well');
  });

  it('that turns out to be no gzip is told so, however much of it is to come', async (t) => {
    const port = await startPort(t, {});
    const head = `POST ${PATH} HTTP/1.1\r\nhost: manager\r\ncontent-encoding: gzip\r\ncontent-length: 100000000\r\n\r\n`;
    const { socket, ended } = await port.open('modest', `${head}${'no gzip '.repeat(20_000)}`);
    socket.once('data', () => socket.destroy());
    assert.match((await ended).text, /^HTTP\/1\.1 400 .*the body is not gzip/s);
  });

  it('beyond the share of its cluster is turned away, and those of others are not', async (t) => {
    const port = await startPort(t, { ingest: { uploads: 4, uploadsPerCluster: 3 } });
    for (let at = 0; at < 3; at++) await port.open('greedy', begun());
    await eventually(async () => (await post(port.as('greedy'), PATH, flows(1))).code === 503);
    const { code, text } = await post(port.as('greedy'), PATH, flows(1));
    assert.deepEqual([code, JSON.parse(text)], [503, { error: '3 uploads of this cluster are under way already' }]);
    assert.match(port.turnedAway.at(-1) ?? '', /^greedy: /);
    assert.equal((await post(port.as('modest'), PATH, flows(1))).code, 200);
  });
});

describe('a connection', () => {
  const late = { headers: 500, keepAlive: 300 };

  async function dribble(socket: TLSSocket): Promise<void> {
    while (!socket.destroyed) {
      socket.write('x');
      await sleep(100);
    }
  }

  it('without a request is ended', async (t) => {
    const port = await startPort(t, { port: late });
    const { ended } = await port.open('modest', '');
    const { text, after: lasted } = await ended;
    assert.equal(text, '');
    assert.ok(lasted > 450 && lasted < 10_000, `${lasted} ms`);
  });

  it('with headers that do not end is ended', async (t) => {
    const port = await startPort(t, { port: late });
    const { socket, ended } = await port.open('modest', `POST ${PATH} HTTP/1.1\r\nx-more: `);
    await dribble(socket);
    const { after: lasted } = await ended;
    assert.ok(lasted < 10_000, `${lasted} ms`);
  });

  it('with such headers after a good request is ended as well', async (t) => {
    const port = await startPort(t, { port: late });
    const good = `POST ${PATH} HTTP/1.1\r\nhost: manager\r\ncontent-length: 0\r\n\r\n`;
    const { socket, ended } = await port.open('modest', good);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(`POST ${PATH} HTTP/1.1\r\nx-more: `);
    await dribble(socket);
    const { text, after: lasted } = await ended;
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.ok(lasted > 750 && lasted < 10_000, `${lasted} ms`);
  });

  it('may be idle between requests and work on one for longer than it may wait for one', async (t) => {
    const port = await startPort(t, { port: { headers: 1_500, keepAlive: 10_000 } });
    const body = flows(1);
    const request = `POST ${PATH} HTTP/1.1\r\nhost: manager\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    const { socket, ended } = await port.open('modest', request);
    await sleep(2_000);
    socket.write(body);
    await new Promise((resolve) => socket.once('data', resolve));
    await sleep(2_000);
    socket.write(`${request}${body}`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    assert.equal((await ended).text.match(/HTTP\/1\.1 200 /g)?.length, 2);
  });

  it('beyond what a cluster may have is refused, aloud, and those of others are not', async (t) => {
    const port = await startPort(t, { port: { connections: 3 } });
    const first = await port.open('greedy', '');
    await port.open('greedy', '');
    await port.open('greedy', '');
    for (let at = 0; at < 10; at++) assert.equal((await (await port.open('greedy', begun())).ended).text, '');
    assert.equal((await post(port.as('modest'), PATH, flows(1))).code, 200);
    const reason = '3 connections of the cluster "greedy" are open already';
    const said = port.lines.filter((line) => line.reason === reason);
    assert.deepEqual(
      said.map(({ msg, count }) => [msg, count]),
      [['connection refused', undefined]],
    );
    assert.match(await port.metrics.registry.metrics(), /connections_refused_total\{reason="too_many"\} 10$/m);
    first.socket.destroy();
    await eventually(async () => (await post(port.as('greedy'), PATH, flows(1)).catch(() => undefined))?.code === 200);
  });

  it('of a stranger is told why, and the log says it once however many there are', async (t) => {
    const port = await startPort(t, { port: { connections: 5, refusal: 10_000 } });
    const { code, text } = await post(port.as('stranger'), PATH, flows(1));
    assert.deepEqual([code, JSON.parse(text)], [403, { error: 'certificate not registered' }]);
    for (let at = 0; at < 20; at++) await port.open('stranger', '');
    const [host = '', number = ''] = port.as('modest').address.split(':');
    for (let at = 0; at < 20; at++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      connect({ host, port: Number(number), maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' })
        .on('error', () => undefined)
        .once('close', () => resolve());
      await promise;
    }
    assert.equal((await post(port.as('modest'), PATH, flows(1))).code, 200);
    const metrics = await port.metrics.registry.metrics();
    assert.match(metrics, /connections_refused_total\{reason="certificate"\} 21$/m);
    assert.match(metrics, /connections_refused_total\{reason="handshake"\} 20$/m);
    assert.equal(port.lines.length, 3, JSON.stringify(port.lines));
    port.repeated.close();
    assert.deepEqual(
      port.lines.slice(3).map(({ msg, count }) => [msg, count]),
      [
        ['connection refused', 20],
        ['connection refused', 14],
        ['TLS handshake failed', 19],
      ],
    );
  });
});
