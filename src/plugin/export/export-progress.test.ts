import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { ExportProgress } from './export-progress.ts';

/** What is written of an export that has so many records at each look. */
function shown(t: TestContext, { isTTY, every }: { readonly isTTY: boolean; readonly every: number }): string {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const err = Object.assign(new PassThrough(), { isTTY });
  let records = 0;
  const progress = new ExportProgress(err, () => ({ records, done: records > 100 ? 1 : 0, logs: 2 }));
  for (records of [100, 1_600]) t.mock.timers.tick(every);
  progress.end();
  return String(err.read() ?? '');
}

describe('the progress of an export', () => {
  it('is one line of a terminal, and gone in the end', (t) => {
    assert.equal(
      shown(t, { isTTY: true, every: 500 }),
      '\r\x1b[K100 records exported, 200/s, 0 of 2 logs done\r\x1b[K1600 records exported, 3000/s, 1 of 2 logs done\r\x1b[K',
    );
  });

  it('is a line now and then elsewhere', (t) => {
    assert.equal(
      shown(t, { isTTY: false, every: 10_000 }),
      '100 records exported, 10/s, 0 of 2 logs done\n1600 records exported, 150/s, 1 of 2 logs done\n',
    );
  });

  it('is nothing where it is soon done', (t) => {
    assert.equal(shown(t, { isTTY: true, every: 100 }), '');
  });
});
