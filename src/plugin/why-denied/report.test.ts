import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { toYaml } from '../print.ts';
import { denialsOf } from './denials.ts';
import { parseDestination, parseEndpoint } from './endpoint.ts';
import type { Findings } from './findings.ts';
import { changesOf } from './policy-changes.ts';
import { type Question, reportObject, reportText } from './report.ts';

const DOCS = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'why-denied.md'), 'utf8');

const TIMES = { format: 'short', utc: true, now: 0 } as const;
const QUESTION: Question = {
  source: parseEndpoint('store/frontend'),
  destination: parseDestination('store/redis:6379'),
  clusters: ['prod-eu'],
  since: Date.parse('2026-11-22T17:40:00Z'),
  until: undefined,
};

/** A report of five minutes. */
function flow(end: string, connections: number, more: object): Record<string, unknown> {
  const time = Date.parse(`2026-11-22T${end}Z`);
  return {
    ...{ cluster: 'prod-eu', '@timestamp': time, start_time: time / 1000 - 300, end_time: time / 1000 },
    ...{ source_namespace: 'store', source_name: '-', source_name_aggr: 'frontend-754cdbf884-*', proto: 'tcp' },
    ...{ dest_namespace: 'store', dest_name: '-', dest_name_aggr: 'redis-*', dest_port: 6379 },
    ...{ num_flows_started: connections, packets_in: connections * 4, packets_out: 0 },
    ...more,
  };
}

const DENIED = {
  ...{ action: 'deny', reporter: 'dst' },
  policies: {
    enforced_policies: ['1|default|store/default.redis-only|deny|-1', '0|security|security.quarantine|pass|1'],
    pending_policies: ['0|security|security.quarantine|pass|1', '1|default|store/default.redis-only|deny|-1'],
  },
};
const STAGED = {
  ...{ action: 'allow', reporter: 'src' },
  policies: {
    enforced_policies: ['0|__PROFILE__|__PROFILE__.kns.store|allow|0'],
    pending_policies: ['0|security|security.staged:egress|deny|2', '1|__PROFILE__|__PROFILE__.kns.store|allow|0'],
  },
};

const FINDINGS: Findings = {
  denials: denialsOf([
    flow('18:36:04', 12, DENIED),
    flow('18:31:04', 12, DENIED),
    flow('18:31:04', 24, STAGED),
    flow('18:36:04', 1, { ...DENIED, source_name: 'frontend-754cdbf884-x2v4q' }),
  ]),
  isCut: false,
  allowed: { egress: 24, ingress: 0, last: Date.parse('2026-11-22T18:36:04Z') },
  changes: [
    {
      ...{ cluster: 'prod-eu', time: Date.parse('2026-11-22T18:26:51.304Z'), user: 'jane', verb: 'update' },
      ...{ resource: 'networkpolicies.projectcalico.org', name: 'store/default.redis-only' },
    },
    {
      ...{ cluster: 'prod-eu', time: Date.parse('2026-11-22T09:12:40Z'), user: 'system:serviceaccount:gitops:sync' },
      ...{ verb: 'patch', resource: 'tiers.projectcalico.org', name: 'security' },
    },
  ],
  moreChanges: false,
  shortcomings: [],
};

const NOTHING: Findings = {
  ...FINDINGS,
  denials: [],
  changes: [],
  allowed: { egress: 1204, ingress: 1204, last: Date.parse('2026-11-22T18:31:04Z') },
};

const DOCUMENTED = [
  ['what was denied', reportText(QUESTION, FINDINGS, TIMES)],
  ['that nothing was', reportText({ ...QUESTION, destination: parseDestination('store/cart:8080') }, NOTHING, TIMES)],
  [
    'that nothing was seen',
    reportText(
      { ...QUESTION, destination: parseDestination('203.0.113.9:443') },
      { ...NOTHING, allowed: { egress: 0, ingress: 0, last: undefined } },
      TIMES,
    ),
  ],
  [
    'yaml',
    toYaml([
      reportObject(QUESTION, {
        ...FINDINGS,
        denials: FINDINGS.denials.slice(0, 1),
        changes: FINDINGS.changes.slice(0, 1),
      }),
    ]),
  ],
] as const;

describe('the report', () => {
  for (const [what, text] of DOCUMENTED) {
    it(`of ${what} is in the documentation`, () =>
      assert.ok(DOCS.includes(text), `docs/why-denied.md should have\n${text}`));
  }

  it('puts together what was denied for the same reason', () => {
    const [first, second, ...more] = FINDINGS.denials;
    assert.equal(more.length, 0);
    assert.deepEqual(
      [first?.staged, first?.direction, first?.records, first?.connections, first?.packets],
      [false, 'ingress', 3, 25, 100],
    );
    assert.deepEqual(
      first?.policies.map(({ policy, by }) => [policy, by]),
      [
        ['security.quarantine', 'rule'],
        ['store/default.redis-only', 'end-of-tier'],
      ],
    );
    assert.deepEqual(
      [first?.first, first?.last],
      ['18:26:04', '18:36:04'].map((time) => Date.parse(`2026-11-22T${time}Z`)),
    );
    assert.deepEqual([second?.staged, second?.policies[0]?.by, second?.policies[0]?.rule], [true, 'rule', 2]);
  });

  it('keeps apart what was denied for another reason, or in another cluster', () => {
    const rule = { policies: { enforced_policies: ['0|default|store/default.redis-only|deny|3'] } };
    const denials = denialsOf([
      flow('18:31:04', 1, DENIED),
      flow('18:31:04', 1, { ...DENIED, cluster: 'prod-us' }),
      flow('18:31:04', 1, { ...DENIED, reporter: 'src' }),
      flow('18:31:04', 1, { ...DENIED, ...rule }),
    ]);
    assert.equal(denials.length, 4);
    const text = reportText({ ...QUESTION, clusters: ['prod-eu', 'prod-us'] }, { ...FINDINGS, denials }, TIMES);
    assert.match(
      text,
      /^Denied at the destination \(ingress, reported by dst\) in cluster prod-us: 1 connection, 4 packets in 1 record$/m,
    );
    assert.match(text, / jane .*\n/);
    assert.match(text, /^ {2}default +default\/store.redis-only +deny \(rule 3\)$/m);
  });

  it('names what decides where no policy does, and what records do not know', () => {
    const denials = denialsOf([
      flow('18:31:04', 9, {
        ...DENIED,
        policies: { all_policies: ['0|__PROFILE__|__PROFILE__.__NO_MATCH__|deny|-1'] },
      }),
      flow('18:31:04', 8, { ...DENIED, policies: { enforced_policies: ['0|default|default.x|deny|-2', 'odd'] } }),
      flow('18:31:04', 7, { ...DENIED, policies: '-', num_flows_started: 'many', start_time: null }),
    ]);
    const text = reportText(QUESTION, { ...FINDINGS, denials, changes: [] }, TIMES);
    assert.match(text, /profile __NO_MATCH__ +deny \(no policy applies, and no profile has a rule for it\)/);
    assert.match(text, /default\/x +deny\n/);
    assert.match(
      text,
      /0 connections, 28 packets in 1 record\n.*\n {2}from Nov 22 18:31:04.000 to .*\n {2}The records name no policy.\n/,
    );
    assert.match(text, /\nChanged in the 24h before: nothing that the audit logs tell of.\n$/);
  });

  it('names five pairs, and how many more there are', () => {
    const pods = Array.from({ length: 7 }, (_, n) => flow('18:31:04', n, { ...DENIED, source_name: `frontend-${n}` }));
    const text = reportText(QUESTION, { ...FINDINGS, denials: denialsOf(pods) }, TIMES);
    assert.match(text, / {2}store\/frontend-6 -> store\/redis-\* tcp\/6379\n( {2}store.*\n){4} {2}and 2 more\n/);
  });

  it('steers no terminal', () => {
    const evil = {
      source_namespace: 'a\u001b[2J',
      source_name: 'x\u202e',
      reporter: 'd\u0007',
      policies: { all_policies: ['0|t\u001b|p\u009b|deny|0'] },
    };
    const denials = denialsOf([flow('18:31:04', 1, { ...DENIED, ...evil })]);
    const changes = FINDINGS.changes.map((change) => ({ ...change, user: 'j\u001b[1m' }));
    const text = reportText(QUESTION, { ...FINDINGS, denials, changes }, TIMES);
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
  });
});

describe('changes of policies', () => {
  const record = (resource: string, namespace: string, name: string) => ({ objectRef: { resource, namespace, name } });
  const queries = (...hits: string[]) =>
    changesOf(denialsOf([flow('18:31:04', 1, { ...DENIED, policies: { enforced_policies: hits } })]));

  for (const [hit, type, wanted, others] of [
    [
      '0|default|store/default.redis-only|deny|-1',
      'audit_ee',
      [
        record('networkpolicies', 'store', 'default.redis-only'),
        record('networkpolicies', 'store', 'redis-only'),
        record('tiers', '', 'default'),
      ],
      [
        record('networkpolicies', 'shop', 'default.redis-only'),
        record('globalnetworkpolicies', '', 'default.redis-only'),
        record('tiers', '', 'security'),
        record('stagednetworkpolicies', 'store', 'default.redis-only'),
      ],
    ],
    [
      '0|security|security.egress|deny|0',
      'audit_ee',
      [record('globalnetworkpolicies', '', 'security.egress')],
      [record('networkpolicies', 'store', 'security.egress'), record('networksets', '', 'egress')],
    ],
    [
      '0|default|store/knp.default.web|deny|-1',
      'audit_kube',
      [record('networkpolicies', 'store', 'web')],
      [record('networkpolicies', 'shop', 'web')],
    ],
  ] as const) {
    it(`of ${hit} are found in ${type}`, () => {
      const [query, ...more] = queries(hit);
      assert.deepEqual([query?.type.name, more.length], [type, 0]);
      for (const one of wanted) assert.equal(query?.isOne(one), true, JSON.stringify(one));
      for (const one of others) assert.equal(query?.isOne(one), false, JSON.stringify(one));
    });
  }

  it('of staged ones are those of staged objects', () => {
    const staged = {
      ...STAGED,
      policies: {
        pending_policies: [
          '0|default|store/default.staged:web|deny|0',
          '1|default|store/staged:knp.default.api|deny|-1',
        ],
      },
    };
    const [query] = changesOf(denialsOf([flow('18:31:04', 1, staged)]));
    assert.equal(query?.isOne(record('stagednetworkpolicies', 'store', 'default.web')), true);
    assert.equal(query?.isOne(record('stagedkubernetesnetworkpolicies', 'store', 'api')), true);
    assert.equal(query?.isOne(record('networkpolicies', 'store', 'default.web')), false);
  });

  it('of profiles are none', () => assert.deepEqual(queries('0|__PROFILE__|__PROFILE__.kns.store|deny|0'), []));
});
