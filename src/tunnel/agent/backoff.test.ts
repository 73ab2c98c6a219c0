import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Backoff } from './backoff.ts';

it('waits longer with each failure, up to half a minute, and for a moment only after a session that lasted', (t) => {
  t.mock.method(Math, 'random', () => 0.999_999);
  const backoff = new Backoff();
  const pauses = Array.from({ length: 9 }, () => Math.round(backoff.after(0)));
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  assert.equal(Math.round(backoff.after(10_001)), 500);
  assert.equal(Math.round(backoff.after(9_999)), 1_000);
});

it('draws from all of that time, so that those who lost their sessions together come back apart', () => {
  const pauses = Array.from({ length: 1_000 }, () => new Backoff().after(60_000));
  for (const [from, to] of [
    [0, 100],
    [200, 300],
    [400, 500],
  ] as const) {
    const share = pauses.filter((pause) => pause >= from && pause < to).length;
    assert.ok(share > 100 && share < 300, `${share} of 1000 between ${from} and ${to}`);
  }
});
