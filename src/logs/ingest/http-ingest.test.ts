import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type LogStore, StoreUnavailable } from '../store/log-store.ts';
import { HttpIngest, type IngestEvents } from './http-ingest.ts';

async function down(): Promise<never> {
  throw new StoreUnavailable('down');
}
const store: LogStore = {
  write: down,
  setAside: down,
  search: down,
  aggregate: down,
  together: () => store,
  ping: down,
};

/** The port of a server that takes uploads of the cluster prod-eu; events that a test does not expect fail it. */
async function listen(t: TestContext, into: LogStore, events: Partial<IngestEvents>): Promise<number> {
  const unexpected: IngestEvents = {
    taken: () => assert.fail('taken'),
    turnedAway: () => assert.fail('turned away'),
    failed: (_cluster, error) => assert.fail(error as Error),
  };
  const ingest = new HttpIngest(into, { ...unexpected, ...events });
  const server = createServer((request, response) => void ingest.handle(request, response, 'prod-eu'));
  t.after(() => server.close().closeAllConnections());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** One flow, as a forwarder sends it. */
function upload(): string {
  const line = `{"end_time":${Math.floor(Date.now() / 1000)}}\n`;
  return `POST /api/v1/flows/logs/bulk HTTP/1.1\r\nhost: manager\r\ncontent-length: ${line.length}\r\n\r\n${line}`;
}

/** More than a connection's buffers hold, however well it is compressed. */
function longBody(): Buffer {
  const time = Math.floor(Date.now() / 1000);
  const lines = Array.from(
    { length: 24 },
    () => `{"end_time":${time},"n":"${randomBytes(500_000).toString('hex')}"}\n`,
  );
  return Buffer.from(lines.join(''));
}

describe('an upload that cannot be stored', () => {
  for (const encoding of ['identity', 'gzip'] as const) {
    it(`is answered before its end, and the rest is let pass: ${encoding}`, async (t) => {
      const port = await listen(t, store, { turnedAway: () => undefined });
      const body = encoding === 'gzip' ? gzipSync(longBody(), { level: 1 }) : longBody();
      const socket = connect(port, '127.0.0.1');
      t.after(() => socket.destroy());
      const head = ['POST /api/v1/flows/logs/bulk HTTP/1.1', 'host: manager', `content-encoding: ${encoding}`];
      socket.write(`${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n`);
      const written = new Promise<void>((resolve) => socket.write(body, () => resolve()));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1\.1 503 /);
      await written;
    });
  }
});

describe('an upload', () => {
  it('that fails by a fault of ours is answered 500, and the fault is told', async (t) => {
    const faults: unknown[] = [];
    const fault = new TypeError('no such thing');
    const broken = { ...store, write: async () => Promise.reject(fault) };
    const port = await listen(t, broken, { failed: (cluster, error) => faults.push([cluster, error]) });
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(upload());
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 500 /);
    assert.deepEqual(faults, [['prod-eu', fault]]);
  });

  it('whose sender goes is stored no further', async (t) => {
    const begun = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const slow: LogStore = {
      ...store,
      write: async (_records, signal) => {
        signal.addEventListener('abort', () => aborted.resolve());
        begun.resolve();
        await aborted.promise;
        throw signal.reason;
      },
    };
    const socket = connect(await listen(t, slow, {}), '127.0.0.1');
    socket.write(upload());
    await begun.promise;
    socket.destroy();
    await aborted.promise;
  });
});
