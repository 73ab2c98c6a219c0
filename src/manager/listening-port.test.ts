import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ListeningPort } from './listening-port.ts';

async function start(t: TestContext, onConnection: (socket: Socket) => void): Promise<ListeningPort> {
  const port = new ListeningPort({}, onConnection);
  await port.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => port.close());
  return port;
}

describe('a port on which thousands may dial at once', () => {
  it('takes many connections in one turn of the loop', async (t) => {
    const accepted: Socket[] = [];
    const dialled: Socket[] = [];
    t.after(() => {
      for (const socket of [...dialled, ...accepted]) socket.destroy();
    });
    const { port } = await start(t, (socket) => accepted.push(socket));
    for (let at = 0; at < 100; at++) dialled.push(connect(port, '127.0.0.1').on('error', () => undefined));
    let turns = 0;
    for (; accepted.length < dialled.length && turns < 1_000; turns++) await turn();
    assert.equal(accepted.length, 100);
    assert.ok(turns < 50, `${turns} turns`);
  });

  it('is not shared with another manager', async (t) => {
    const { port } = await start(t, () => undefined);
    const other = new ListeningPort({}, () => undefined);
    await assert.rejects(other.listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
    assert.equal(other.listening, false);
  });
});
