import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createHealthServer } from './health-port.ts';

describe('the health port', () => {
  it('answers in time whatever its checks do', async (t) => {
    const server = createHealthServer(new Registry(), [
      { name: 'good', check: async () => undefined },
      { name: 'bad', check: () => Promise.reject(new Error('out of order')) },
      { name: 'deaf', check: () => new Promise<never>(() => undefined) },
    ]);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close().closeAllConnections());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ready = await fetch(`${url}/readyz`);
    assert.equal(ready.status, 503);
    const lines = [
      '[+]good ok',
      '[-]bad failed: out of order',
      '[-]deaf failed: no answer in 5 s',
      'readyz check failed',
    ];
    assert.equal(await ready.text(), `${lines.join('\n')}\n`);
    assert.equal((await fetch(`${url}/livez`)).status, 200);
    assert.equal((await fetch(`${url}/else`)).status, 404);
  });

  it('is ready without what is optional, and says so', async (t) => {
    const away = { name: 'away', optional: true, check: () => Promise.reject(new Error('gone')) } as const;
    const server = createHealthServer(new Registry(), [away, { name: 'good', check: async () => 'well' }]);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close().closeAllConnections());
    const ready = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/readyz?verbose`);
    assert.equal(ready.status, 200);
    assert.equal(await ready.text(), '[-]away failed: gone\n[+]good ok (well)\nreadyz check passed\n');
  });
});
