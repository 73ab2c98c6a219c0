import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { CatchUpProgress } from './catch-up-progress.ts';

function shown(t: it.TestContext, isTTY: boolean, lefts: readonly number[]): string {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const out = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY });
  let second = 0;
  const progress = new CatchUpProgress(out, () => lefts[second] ?? 0);
  for (; second < lefts.length; second++) t.mock.timers.tick(1_000);
  progress.end();
  t.mock.timers.reset();
  return String(out.read() ?? '');
}

describe('the progress of a catch-up', () => {
  it('is shown on a terminal, for as long as much is left', (t) => {
    const text = shown(t, true, [900e6, 850e6, 5e6, 0]);
    assert.equal(text, '\r850.0 MB left, 50.0 MB/s, about 1m\r\x1b[K');
  });

  it('is not shown elsewhere, or where nothing moves', (t) => {
    assert.equal(shown(t, false, [900e6, 850e6, 800e6]), '');
    assert.equal(shown(t, true, [900e6, 900e6, 900e6]), '');
  });
});
