import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupsOf } from './log-reads.ts';

describe('clusters that are asked for together', () => {
  for (const [what, length, count, sizes] of [
    ['none', 1, 0, []],
    ['a few', 3, 7, [7]],
    ['more than one request is for', 3, 600, [250, 250, 100]],
    ['more than there is room for in a URL', 63, 100, [64, 36]],
  ] as const) {
    it(`are ${what}`, () => {
      const clusters = Array.from({ length: count }, (_, n) => String(n).padStart(length, 'c'));
      const groups = groupsOf(clusters);
      assert.deepEqual(groups.flat(), clusters);
      assert.deepEqual(
        groups.map((group) => group.length),
        sizes,
      );
    });
  }
});
