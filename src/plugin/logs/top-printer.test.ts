import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TopItem } from '../../logs/query/log-top.ts';
import { flows } from '../../logs/types/flows.ts';
import type { Grouping } from '../../logs/types/grouping.ts';
import { printTop, type TopOptions } from './top-printer.ts';
import type { MergedTop } from './top-reads.ts';

const DOCS = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'top.md'), 'utf8');

function grouping(by: 'namespace' | 'pod' | 'policy' | 'port'): Grouping {
  const found = flows.groupings?.[by];
  assert.ok(found !== undefined);
  return found;
}

const NAMESPACES: TopOptions = {
  ...{ output: 'table', by: 'namespace', metric: 'bytes', grouping: grouping('namespace'), clusters: ['prod-eu'] },
  ...{ since: Date.UTC(2026, 10, 22, 18), until: undefined, headers: true, width: undefined, block: '█' },
};

const BY_NAMESPACE: MergedTop = {
  groups: 14,
  totals: [{ value: 48_318_382_080, records: 90_210 }],
  items: [
    { group: { namespace: 'store' }, value: 39_192_690_688, records: 61_022 },
    { group: { namespace: 'payments' }, value: 9_878_424_781, records: 14_870 },
    { group: { namespace: 'kube-system' }, value: 483_183_820, records: 21_003 },
  ],
  shortBy: 0,
};

function policy(tier: string, name: string, direction: TopItem['direction'], value: number): TopItem {
  const of = direction === undefined ? {} : { direction };
  return { group: { tier, policy: name, action: 'deny' }, ...of, value, records: value };
}

const POLICIES: TopOptions = { ...NAMESPACES, by: 'policy', metric: 'denies', grouping: grouping('policy') };

const BY_POLICY: MergedTop = {
  groups: 2,
  totals: [
    { direction: 'egress', value: 31, records: 31 },
    { direction: 'ingress', value: 1204, records: 1204 },
  ],
  items: [
    policy('default', 'store/default.redis-only', 'ingress', 1204),
    policy('security', 'security.egress-deny', 'egress', 31),
  ],
  shortBy: 0,
};

const BY_POD: MergedTop = {
  groups: 2,
  totals: [{ value: 500, records: 9 }],
  items: [
    { group: { namespace: 'store', pod: 'frontend-754cdbf884-*' }, value: 400, records: 7 },
    { group: { namespace: '-', pod: 'pub' }, value: 100, records: 2 },
  ],
  shortBy: 0,
};

describe('the largest groups', () => {
  for (const [what, top, options, text] of [
    [
      'a table',
      BY_NAMESPACE,
      NAMESPACES,
      `NAMESPACE     BYTES    SHARE
store         37GiB    81.1%
payments      9.2GiB   20.4%
kube-system   461MiB   1.0%
(3 of 14)     45GiB    total
`,
    ],
    [
      'a table on a terminal',
      BY_NAMESPACE,
      { ...NAMESPACES, width: 60 },
      `NAMESPACE     BYTES    SHARE
store         37GiB    81.1%   █████████████████████████████
payments      9.2GiB   20.4%   ███████
kube-system   461MiB   1.0%    █
(3 of 14)     45GiB    total
`,
    ],
    [
      'wide',
      BY_POLICY,
      { ...POLICIES, output: 'wide' },
      `POLICY                     ACTION   DIRECTION   DENIES   RECORDS   SHARE
default/store.redis-only   deny     ingress     1204     1204      100.0%
security/egress-deny       deny     egress      31       31        100.0%
(all 2)                             egress      31       31        total
(all 2)                             ingress     1204     1204      total
`,
    ],
    [
      'csv',
      BY_POLICY,
      { ...POLICIES, output: 'csv' },
      `TIER,POLICY,ACTION,DIRECTION,DENIES
default,store/default.redis-only,deny,ingress,1204
security,security.egress-deny,deny,egress,31
`,
    ],
    [
      'names',
      BY_POD,
      { ...NAMESPACES, by: 'pod', grouping: grouping('pod'), output: 'name' },
      'pod/store/frontend-754cdbf884-*\npod/(public)\n',
    ],
    [
      'yaml',
      { ...BY_NAMESPACE, items: BY_NAMESPACE.items.slice(0, 1) },
      { ...NAMESPACES, output: 'yaml' },
      `kind: LogTop
by: namespace
metric: bytes
clusters:
  - prod-eu
since: "2026-11-22T18:00:00.000Z"
groups: 14
totals:
  - value: 48318382080
    records: 90210
items:
  - group:
      namespace: store
    value: 39192690688
    records: 61022
`,
    ],
  ] as const) {
    it(`are shown as ${what}`, () => {
      assert.equal(printTop(top, options), text);
      assert.ok(DOCS.includes(text), `docs/top.md should have\n${text}`);
    });
  }

  it('are shown as json, plainly', () => {
    const text = printTop(BY_NAMESPACE, { ...NAMESPACES, output: 'json' });
    assert.match(text, /^\{\n {4}"kind": "LogTop",\n/);
    const { items, totals, groups } = JSON.parse(text) as MergedTop;
    assert.deepEqual([items, totals, groups], [BY_NAMESPACE.items, BY_NAMESPACE.totals, 14]);
    const short = JSON.parse(printTop({ ...BY_NAMESPACE, shortBy: 7 }, { ...NAMESPACES, output: 'json' }));
    assert.equal(short.shortBy, 7);
  });

  it('have bars only where there is room for them, never wider than the terminal', () => {
    for (const width of [undefined, 0, 30, 38]) {
      assert.doesNotMatch(printTop(BY_NAMESPACE, { ...NAMESPACES, width }), /█/, String(width));
    }
    for (const width of [39, 45, 80, 300]) {
      const lines = printTop(BY_NAMESPACE, { ...NAMESPACES, width }).split('\n');
      const longest = Math.max(...lines.map(({ length }) => length));
      assert.ok(longest === Math.min(width, 71), `${width}: ${longest}`);
    }
    assert.match(printTop(BY_NAMESPACE, { ...NAMESPACES, width: 60, block: '#' }), / {3}#{29}\n/);
  });

  it('have no headers where these are not wanted, and are nothing where there are none', () => {
    const rows = printTop(BY_NAMESPACE, { ...NAMESPACES, headers: false, width: 60 });
    assert.match(rows, /^store {9}37GiB {4}81.1% {3}█{29}\npayments /);
    const none = { groups: 0, totals: [{ value: 0, records: 0 }], items: [], shortBy: 0 };
    for (const output of ['table', 'wide', 'csv', 'name']) {
      assert.equal(printTop(none, { ...NAMESPACES, output }), '', output);
    }
  });

  it('steer no terminal in any format', () => {
    const evil = [{ group: { namespace: 'a\u001b[2J\u009b1m\u202e\n' }, value: 1, records: 1 }];
    for (const output of ['table', 'wide', 'csv', 'name', 'json', 'yaml']) {
      const text = printTop({ ...BY_NAMESPACE, items: evil }, { ...NAMESPACES, output });
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\u202e]/u, output);
    }
  });
});
