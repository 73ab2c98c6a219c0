import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { RepeatedLog } from './repeated-log.ts';

interface Line {
  readonly msg: string;
  readonly reason: string;
  readonly count?: number;
  readonly peer?: string;
}

function logged(t: TestContext): { readonly repeated: RepeatedLog; readonly lines: Line[] } {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const lines: Line[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)) as Line);
      done();
    },
  });
  return { repeated: new RepeatedLog(pino(stream)), lines };
}

describe('RepeatedLog', () => {
  it('says the first at once, and how many followed once an interval', (t) => {
    const { repeated, lines } = logged(t);
    for (let at = 1; at <= 1_000; at++) repeated.warn('connection refused', 'not registered', { peer: `10.0.0.${at}` });
    repeated.warn('connection refused', 'expired');
    assert.deepEqual(
      lines.map(({ reason, count }) => [reason, count]),
      [
        ['not registered', undefined],
        ['expired', undefined],
      ],
    );
    t.mock.timers.tick(60_000);
    assert.equal(lines.length, 3);
    const { msg, reason, count, peer } = lines[2] ?? {};
    assert.deepEqual([msg, reason, count, peer], ['connection refused', 'not registered', 999, '10.0.0.1000']);
    t.mock.timers.tick(60_000);
    assert.equal(lines.length, 3, 'nothing more to say');
    repeated.warn('connection refused', 'not registered');
    assert.equal(lines.length, 4, 'the first again');
  });

  it('counts together what has too many reasons', (t) => {
    const { repeated, lines } = logged(t);
    for (let at = 0; at < 1_000; at++) repeated.warn('refused', `reason ${at}`);
    assert.equal(lines.length, 501);
    repeated.close();
    assert.deepEqual([lines[501]?.reason, lines[501]?.count], ['other reasons', 499]);
  });
});
