import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { it } from 'node:test';
import { Endpoint } from './endpoint.ts';

/** More than sockets hold by themselves. */
const BODY = Buffer.alloc(32 * 1024 * 1024, '\n');

it('does not wait for the rest of a request to be read that is answered already', { timeout: 20_000 }, async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 503 Service Unavailable\r\nretry-after: 3\r\ncontent-length: 4\r\n\r\nbusy');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = new Endpoint({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, 1);
  t.after(() => {
    endpoint.close();
    server.close();
  });
  // The second needs the only connection that there may be.
  for (let attempt = 1; attempt <= 2; attempt++) {
    const { code, retryAfter, body } = await endpoint.bulk(BODY, AbortSignal.timeout(8_000));
    assert.deepEqual([code, retryAfter, body.toString()], [503, '3', 'busy']);
  }
});
