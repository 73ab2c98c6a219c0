import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sizeOf } from './size.ts';

describe('sizeOf', () => {
  it('reads bytes as Kubernetes writes quantities of memory', () => {
    const sizes = ['0', '1073741824', '64Ki', '1Mi', '10Gi', '2Ti'].map((text) => sizeOf('spool-size', text));
    assert.deepEqual(sizes, [0, 2 ** 30, 2 ** 16, 2 ** 20, 10 * 2 ** 30, 2 ** 41]);
  });

  it('names the flag of what is none', () => {
    for (const text of ['', '1G', '-1', '1.5Gi', '10 Gi', 'Gi', '1e9']) {
      assert.throws(() => sizeOf('spool-size', text), {
        name: 'UserError',
        message: `error: invalid argument "${text}" for "--spool-size" flag: must be bytes, as 1073741824 or 1Gi`,
      });
    }
  });
});
