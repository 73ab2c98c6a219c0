import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { untilAborted } from './until-aborted.ts';

describe('untilAborted', () => {
  it('hears of what fails after it was aborted, also where that was before it began', async () => {
    const unheard: unknown[] = [];
    const listen = (reason: unknown) => unheard.push(reason);
    process.on('unhandledRejection', listen);
    try {
      const { promise, reject } = Promise.withResolvers<never>();
      await assert.rejects(untilAborted(promise, AbortSignal.abort(new Error('gone'))), /gone/);
      reject(new Error('failed later'));
      // Node looks for rejections that nobody heard of after each turn of its loop.
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(unheard, []);
    } finally {
      process.off('unhandledRejection', listen);
    }
  });
});
