// Who may open a tunnel, until when, and who may send what: the real port over real TLS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { generateGoldmane } from '../fixtures/generate-goldmane.ts';
import type { KeyPair } from '../src/clusters/key-pair.ts';
import { eventually, sharedWorkbench } from './harness.ts';
import { clusterKeys, heardFrom, TunnelPort, type TunnelPortOptions } from './tunnel-port.ts';

const { elasticsearchUrl } = sharedWorkbench().facts;
/** A stream that is opened, and a ping. */
const YAMUX = Buffer.from('000100010000000100000000000200010000000000000000', 'hex');
const GET = 'POST /api/v1/flows/logs/bulk HTTP/1.1\r\nhost: manager\r\ncontent-length: 0\r\n\r\n';

async function start(t: TestContext, options: Partial<TunnelPortOptions> = {}): Promise<TunnelPort> {
  return await TunnelPort.start(t, { elasticsearchUrl, ...options });
}

/** Sends bytes and returns what came until the connection ended. */
async function say(socket: TLSSocket, bytes: Buffer | string): Promise<string> {
  const heard = heardFrom(socket);
  socket.write(bytes);
  return await heard;
}

describe('a certificate', () => {
  it("of a forwarder's opens no tunnel", async (t) => {
    const port = await start(t);
    const keys = await clusterKeys('prod', { use: 'forwarder' });
    port.register('prod', keys);
    const heard = await say(await port.connect(keys), YAMUX);
    assert.match(heard, /^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/);
    assert.equal(port.tunnels.size, 0);
    assert.equal(port.statusOf('prod').connected, 'Unknown');
  });

  it("of a tunnel's sends no uploads outside of it", async (t) => {
    const port = await start(t);
    const keys = await clusterKeys('prod');
    port.register('prod', keys);
    await port.open(keys);
    await eventually(async () => port.statusOf('prod').connected === 'True');
    for (const protocols of [['http/1.1'], undefined]) {
      const heard = await say(await port.connect(keys, protocols), GET);
      assert.match(heard, /^HTTP\/1\.1 403 .*"error":"this is a tunnel's certificate, not a forwarder's"/s);
    }
    assert.match(port.statusOf('prod').lastError ?? '', /not a forwarder's/);
    // The tunnel that is open stays.
    assert.deepEqual([port.tunnels.size, port.statusOf('prod').reconnects], [1, 0]);
  });

  it('that does not count opens no tunnel, and the status says why', async (t) => {
    const port = await start(t);
    const hour = 3_600_000;
    const later = { notBefore: new Date(Date.now() + hour), notAfter: new Date(Date.now() + 2 * hour) };
    const over = { notBefore: new Date(Date.now() - 2 * hour), notAfter: new Date(Date.now() - hour) };
    const [stranger, future, past] = [clusterKeys('prod'), clusterKeys('prod', later), clusterKeys('prod', over)];
    port.register('prod', await future, await past);
    for (const [keys, reason] of [
      [await stranger, /^certificate not registered$/],
      [await future, /^certificate not valid before \d{4}-.*Z$/],
      [await past, /^certificate expired on \d{4}-.*Z$/],
    ] as const) {
      assert.equal(await say(await port.connect(keys), YAMUX), '');
      await eventually(async () => reason.test(port.statusOf('prod').lastError ?? ''));
      const { connected, message, lastError } = port.statusOf('prod');
      assert.equal(connected, 'Unknown');
      assert.ok(message.endsWith(`Somebody tried and was refused: ${lastError}.`), message);
    }
    assert.equal(port.tunnels.size, 0);
  });

  it("in another's ManagedCluster opens no tunnel, and changes nothing for its own", async (t) => {
    const port = await start(t);
    const [alpha, beta] = [await clusterKeys('alpha'), await clusterKeys('beta')];
    port.register('beta', beta, alpha);
    assert.equal(await say(await port.connect(alpha), YAMUX), '');
    assert.equal(await say(await port.connect(beta), YAMUX), '');
    assert.match(port.statusOf('beta').lastError ?? '', /CertificateConflict.* names the cluster "alpha"/);
    port.register('alpha', alpha);
    const end = await port.open(alpha);
    await eventually(async () => port.tunnels.get('alpha') !== undefined);
    assert.equal(port.tunnels.get('beta'), undefined);
    assert.equal(port.statusOf('alpha').connected, 'True');
    end.session.close();
  });

  it('of several that a cluster has is as good as the others', async (t) => {
    const port = await start(t);
    const [old, renewed] = [await clusterKeys('prod'), await clusterKeys('prod')];
    port.register('prod', old, renewed);
    for (const keys of [old, renewed, old]) {
      await port.open(keys);
      const raw = Buffer.from(keys.certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
      await eventually(async () => port.tunnels.get('prod')?.certificate.raw.equals(raw) === true);
    }
  });

  it('says the cluster whose the uploads are, whatever the request says', async (t) => {
    const port = await start(t);
    const keys = await clusterKeys('honest');
    port.register('honest', keys);
    const socket = await (await port.open(keys)).connect(port.ca);
    const [line = ''] = generateGoldmane({ seed: 3, count: 1, from: Date.now() - 300_000, to: Date.now() });
    const body = `{"cluster":"other",${line.slice(1)}`;
    const claims = 'x-cluster-id: other\r\nx-tenant-id: other\r\nauthorization: Bearer other\r\n';
    const head = `POST /api/v1/flows/bulk HTTP/1.1\r\nhost: other\r\n${claims}connection: close\r\n`;
    const heard = await say(socket, `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    assert.match(heard, /^HTTP\/1\.1 200 /);
    const { elasticsearch } = sharedWorkbench();
    assert.equal(await elasticsearch.count('tigera_secure_ee_flows.honest.*'), 1);
    assert.equal(await elasticsearch.count('tigera_secure_ee_flows.other.*'), 0);
  });
});

/** An upload inside a tunnel, of which more is announced than comes, and what is heard of it. */
async function uploadUnderWay(port: TunnelPort, end: { connect(ca: string): Promise<TLSSocket> }): Promise<string> {
  const socket = await end.connect(port.ca);
  const heard = heardFrom(socket);
  socket.write('POST /api/v1/flows/bulk HTTP/1.1\r\nhost: manager\r\ncontent-length: 100000\r\n\r\n{"Key":');
  return await heard;
}

describe('a tunnel whose certificate counts no more', () => {
  type Revoke = (port: TunnelPort, keys: KeyPair) => Promise<void>;
  const ways: readonly (readonly [how: string, reason: RegExp | undefined, revoke: Revoke])[] = [
    ['deleted', undefined, async (port) => port.remove('prod')],
    ['replaced', /certificate not registered/, async (port) => port.register('prod', await clusterKeys('prod'))],
    [
      'in conflict',
      /has a CertificateConflict/,
      async (port, keys) => port.register('prod', keys, await clusterKeys('other')),
    ],
  ];
  for (const [how, reason, revoke] of ways) {
    it(`because it is ${how} is closed within a second, and uploads under way are not answered`, async (t) => {
      const port = await start(t);
      const keys = await clusterKeys('prod');
      port.register('prod', keys);
      const end = await port.open(keys);
      const upload = uploadUnderWay(port, end);
      await eventually(async () => port.tunnels.get('prod')?.session.streamCount === 1);
      await sleep(100);
      await revoke(port, keys);
      // At once: what the manager does of it waits for nothing.
      assert.equal(port.tunnels.size, 0);
      await end.closed;
      assert.equal(await upload, '');
      assert.equal(port.tunnels.size, 0);
      if (reason !== undefined) assert.match(port.statusOf('prod').message, reason);
    });
  }

  it('because it has expired is closed within a second', async (t) => {
    const port = await start(t);
    // Certificates count in whole seconds.
    const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2_000);
    const keys = await clusterKeys('prod', { notAfter });
    port.register('prod', keys);
    const end = await port.open(keys);
    const { reason } = await end.closed;
    const late = Date.now() - notAfter.getTime();
    assert.ok(late > -50 && late < 3_000, `${late} ms`);
    assert.ok(reason.length > 0);
    assert.match(port.statusOf('prod').message, /^The tunnel was closed: certificate expired on \d{4}-.*Z\.$/);
  });
});

describe('the cipher of a connection', () => {
  // Guardian's first is AES-128, and ChaCha20 on machines that have no instructions for AES.
  for (const first of ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256']) {
    it(`is the first that its client offers: ${first}`, async (t) => {
      const port = await start(t);
      const options = { host: '127.0.0.1', port: port.port, ca: port.ca, servername: 'voltron' };
      const socket = connectTls({ ...options, ciphers: `${first}:TLS_AES_256_GCM_SHA384` });
      t.after(() => socket.destroy());
      await once(socket, 'secureConnect');
      assert.equal(socket.getCipher().name, first);
    });
  }
});

describe('who never finishes a TLS handshake', () => {
  it('does not keep others from theirs, and is counted', async (t) => {
    const port = await start(t, { port: { handshake: 5_000, handshakes: 40, handshakesPerAddress: 20 } });
    const keys = await clusterKeys('prod');
    port.register('prod', keys);
    // From another address of this machine: one may not have all the handshakes there are.
    const silent = Array.from({ length: 50 }, () =>
      connectTcp({ host: '127.0.0.1', port: port.port, localAddress: '127.0.0.2' }).on('error', () => undefined),
    );
    const left = () => silent.filter((socket) => !socket.closed).length;
    await eventually(async () => left() <= 20);
    assert.equal(left(), 20);
    const end = await port.open(keys);
    await eventually(async () => port.tunnels.get('prod') !== undefined);
    await Promise.all(silent.map((socket) => socket.closed || once(socket, 'close')));
    assert.match(await port.metrics.registry.metrics(), /connections_refused_total\{reason="too_many"\} 30$/m);
    assert.equal(end.session.closed, false);
  });
});

describe("who finishes the handshake with a tunnel's certificate and says nothing", () => {
  it('is not waited for, and who speaks in time stays', async (t) => {
    const port = await start(t, { port: { firstByte: 500 } });
    const keys = await clusterKeys('prod');
    port.register('prod', keys);
    const silent = await port.connect(keys);
    const end = await port.open(keys);
    assert.equal(await heardFrom(silent), '');
    await sleep(1_000);
    assert.equal(end.session.closed, false);
    assert.equal(port.tunnels.get('prod')?.session.closed, false);
  });
});
