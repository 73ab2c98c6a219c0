import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base36 } from './base36.ts';

describe('base36', () => {
  it('writes numbers as toString does', () => {
    const powers = Array.from({ length: 10 }, (_, exponent) => 36 ** exponent);
    const around = powers.flatMap((power) => [power - 1, power, power + 1, power * 35]);
    for (const value of [0, 1, 35, 0xffff_ffff, 999_999_999_999_999, Number.MAX_SAFE_INTEGER, ...around]) {
      assert.equal(base36(value), value.toString(36));
    }
    for (let value = 7; value < Number.MAX_SAFE_INTEGER; value = Math.ceil(value * 1.01)) {
      assert.equal(base36(value), value.toString(36));
    }
  });
});
