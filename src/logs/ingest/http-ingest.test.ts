import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type LogStore, StoreUnavailable } from '../store/log-store.ts';
import { HttpIngest } from './http-ingest.ts';

async function down(): Promise<never> {
  throw new StoreUnavailable('down');
}
const store: LogStore = { write: down, setAside: down, search: down, ping: down };

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
      const ingest = new HttpIngest(store, { taken: () => assert.fail('taken'), turnedAway: () => undefined });
      const { signal } = new AbortController();
      const server = createServer((request, response) => ingest.handle(request, response, 'prod-eu', signal));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const body = encoding === 'gzip' ? gzipSync(longBody(), { level: 1 }) : longBody();
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      t.after(() => {
        socket.destroy();
        server.close().closeAllConnections();
      });
      const head = ['POST /api/v1/flows/logs/bulk HTTP/1.1', 'host: manager', `content-encoding: ${encoding}`];
      socket.write(`${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n`);
      const written = new Promise<void>((resolve) => socket.write(body, () => resolve()));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1\.1 503 /);
      await written;
    });
  }
});
