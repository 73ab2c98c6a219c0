import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { newClient } from './client.ts';

const ANSWER = '{"status":"green"}';
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-elastic-product: Elasticsearch\r\n';

/** What no server does when asked to: each request, by its number, is answered, or its connection closed instead. */
async function clientOf(t: TestContext, close: (request: number, socket: Socket) => boolean) {
  let requests = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => {
      if (!close(++requests, socket)) socket.write(`${HEAD}content-length: ${ANSWER.length}\r\n\r\n${ANSWER}`);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = newClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  t.after(async () => {
    await client.close();
    server.close();
  });
  return { client, asked: () => requests };
}

const closing = (how: 'end' | 'resetAndDestroy', which: readonly number[]) => (request: number, socket: Socket) => {
  const isOne = which.includes(request);
  if (isOne) socket[how]();
  return isOne;
};

describe('a request on a connection that is closed', () => {
  for (const how of ['end', 'resetAndDestroy'] as const) {
    it(`by ${how} is sent again`, async (t) => {
      const { client, asked } = await clientOf(t, closing(how, [2]));
      await client.cluster.health();
      assert.equal((await client.cluster.health()).status, 'green');
      assert.equal(asked(), 3);
    });

    it(`by ${how} is sent again once, and fails then`, async (t) => {
      const { client, asked } = await clientOf(t, closing(how, [1, 2]));
      await assert.rejects(client.cluster.health(), { name: 'ConnectionError' });
      assert.equal(asked(), 2);
    });
  }

  it('is not sent again where it has been given up', async (t) => {
    const stop = new AbortController();
    const { client, asked } = await clientOf(t, (_, socket) => {
      stop.abort();
      socket.end();
      return true;
    });
    await assert.rejects(client.cluster.health({}, { signal: stop.signal }), { name: 'RequestAbortedError' });
    assert.equal(asked(), 1);
  });
});
