import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Gap, Shortcoming } from '../../logs/query/shortcoming.ts';
import { dns } from '../../logs/types/dns.ts';
import { flows } from '../../logs/types/flows.ts';
import { overWords, Shortcomings, warningsOf } from './shortcomings.ts';

const NOW = Date.UTC(2026, 10, 22, 18, 32, 21);
const DOCS = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'logs.md'), 'utf8');

const GAP: Gap = {
  kind: 'Gap',
  cluster: 'prod-us',
  type: 'flows',
  from: '2026-11-22T14:20:07.123Z',
  to: '2026-11-22T14:24:00Z',
  count: 100,
  reason: 'SpoolFull',
};
const LIST: readonly Shortcoming[] = [
  { ...GAP, from: '2026-11-22T14:22:00Z', to: '2026-11-22T14:25:00.999Z', count: 20 },
  GAP,
  { kind: 'Behind', cluster: 'prod-eu', type: 'flows', since: '2026-11-22T18:32:07Z', records: 3000 },
  { kind: 'Unsent', cluster: 'prod-eu', type: 'flows', newest: '2026-11-22T14:20:07.9Z', bytes: 227_541_000 },
  { kind: 'Disconnected', cluster: 'edge-07', since: '2026-11-22T14:20:07Z' },
  { kind: 'Refused', cluster: 'lab', type: 'dns', reason: 'Forbidden', message: 'no\u001b[2J' },
];

describe('what an answer lacks', () => {
  it('is told in the order of the clusters, gaps of one kind together, and steers no terminal', () => {
    const told = warningsOf(LIST, NOW);
    assert.deepEqual(told, [
      'warning: cluster "edge-07" has been disconnected for 4h12m; logs newer than 2026-11-22T14:20:07Z may be missing\n',
      'warning: dns logs of cluster "lab" are not shown: no\\x1b[2J\n',
      'warning: cluster "prod-eu" is behind by 3000 flow records, in the manager\'s spool for 14s\n',
      'warning: cluster "prod-eu" has still to send 217MiB of flow logs; those newer than 2026-11-22T14:20:07Z may be missing\n',
      'warning: cluster "prod-us" has lost 120 flow records of 2026-11-22T14:20:07Z to 2026-11-22T14:25:00Z (SpoolFull)\n',
    ]);
    for (const at of [0, 2, 3, 4]) assert.ok(DOCS.includes(told[at] ?? ''), `docs/logs.md should have\n${told[at]}`);
  });

  it('of which nobody has counted the records has no number', () => {
    const [told = ''] = warningsOf([GAP, { ...GAP, count: undefined, to: GAP.from }], NOW);
    assert.match(told, /has lost flow records of /);
    assert.match(warningsOf([{ ...GAP, count: 1 }], NOW)[0] ?? '', /has lost 1 flow record of /);
  });

  it('is known again, whatever has changed of it', () => {
    const [before, after] = [new Shortcomings(), new Shortcomings()];
    before.add(LIST);
    const behind = {
      kind: 'Behind',
      cluster: 'prod-eu',
      type: 'flows',
      since: '2026-11-22T18:00:00Z',
      records: 7,
    } as const;
    after.add([{ kind: 'Disconnected', cluster: 'edge-07', since: '2026-11-22T15:00:00Z' }, behind]);
    after.add([{ ...GAP, cluster: 'lab' }]);
    assert.deepEqual(after.since(before), [{ ...GAP, cluster: 'lab' }]);
    assert.deepEqual(before.since(after).map(overWords), [
      undefined,
      undefined,
      'flow logs of cluster "prod-eu" have all been sent',
      'dns logs of cluster "lab" are shown again',
    ]);
    assert.deepEqual(LIST.slice(2, 5).map(overWords), [
      'cluster "prod-eu" is not behind with flow records any more',
      'flow logs of cluster "prod-eu" have all been sent',
      'cluster "edge-07" is heard of again',
    ]);
  });

  it('is everything where all is refused', () => {
    const all = new Shortcomings();
    all.add([{ kind: 'Refused', cluster: 'lab', type: 'dns', reason: 'NotFound', message: 'gone' }]);
    all.throwIfNothingIsLeft(['lab'], [flows, dns]);
    all.add([{ kind: 'Refused', cluster: 'lab', type: 'flows', reason: 'Forbidden', message: 'no' }]);
    assert.throws(
      () => all.throwIfNothingIsLeft(['lab'], [flows, dns]),
      /^StatusError: Error from server \(Forbidden\): no$/,
    );
  });
});
