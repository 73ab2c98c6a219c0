import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { retryAfterOf } from './chunk-uploader.ts';

describe('retryAfterOf', () => {
  it('reads seconds and dates, and waits for five minutes at most', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 22, 12) });
    for (const [header, wait] of [
      ['2', 2_000],
      ['Sun, 22 Nov 2026 12:00:30 GMT', 30_000],
      ['Sun, 22 Nov 2026 11:59:00 GMT', 0],
      // A timer of so many milliseconds would end at once.
      ['2147484', 300_000],
      ['99999999999999999999999', 300_000],
      ['Mon, 23 Nov 2026 12:00:00 GMT', 300_000],
      ['soon', 0],
      [undefined, 0],
    ] as const) {
      assert.equal(retryAfterOf(header), wait, header);
    }
  });
});
