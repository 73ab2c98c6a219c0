import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generateGoldmane } from '../../../fixtures/generate-goldmane.ts';
import { EMITTED_FLOWS } from '../../../fixtures/goldmane-samples.ts';
import type { FlowRecord } from './flow-record.ts';
import { readGoldmaneFlow } from './goldmane-flow.ts';

const TIMES = { start_time: 1_760_000_000, end_time: 1_760_000_300 };

/** A line with that Key and those other members. */
function line(Key: object, more: object = {}): string {
  return JSON.stringify({ Key, ...TIMES, ...more });
}

function accepted(from: string | Buffer) {
  const flow = readGoldmaneFlow(from);
  if (flow.kind === 'refused') assert.fail(flow.reason);
  return flow;
}

function recordOf(Key: object, more: object = {}): FlowRecord {
  return accepted(line(Key, more)).record;
}

function identityOf(from: string): string {
  return accepted(from).identity;
}

function reason(from: string | Buffer): string {
  const flow = readGoldmaneFlow(from);
  return flow.kind === 'refused' ? flow.reason : 'accepted';
}

/** A flow with every member that there is, as a real Goldmane sent it. */
const SAMPLE = line(
  {
    source_name: 'client-0-*',
    source_namespace: 'shop',
    source_type: 1,
    dest_name: 'backend-*',
    dest_namespace: 'shop-db',
    dest_type: 1,
    dest_port: 5432,
    dest_service_name: 'backend',
    dest_service_namespace: 'shop-db',
    dest_service_port_name: 'pg',
    dest_service_port: 5432,
    proto: 'tcp',
    reporter: 1,
    action: 1,
    policies: {
      enforced_policies: [
        { kind: 1, namespace: 'shop', name: 'default.allow-backend', tier: 'default', action: 1, rule_index: 1 },
      ],
      pending_policies: [
        {
          kind: 10,
          tier: 'default',
          action: 1,
          rule_index: -1,
          trigger: { kind: 3, namespace: 'shop', name: 'default.staged', tier: 'default', rule_index: -1 },
        },
      ],
    },
  },
  {
    source_labels: ['app=client', 'tier=web'],
    dest_labels: ['app=backend'],
    packets_in: 10,
    packets_out: 20,
    bytes_in: 1000,
    bytes_out: 2000,
    num_connections_started: 2,
    num_connections_completed: 1,
    num_connections_live: 1,
  },
);

/** What is left when Goldmane leaves everything out. */
const NOTHING: FlowRecord = {
  ...TIMES,
  source_ip: null,
  source_name: '-',
  source_name_aggr: '-',
  source_namespace: '-',
  source_port: null,
  source_type: '-',
  source_labels: null,
  dest_ip: null,
  dest_name: '-',
  dest_name_aggr: '-',
  dest_namespace: '-',
  dest_port: null,
  dest_type: '-',
  dest_labels: null,
  dest_service_namespace: '-',
  dest_service_name: '-',
  dest_service_port: '-',
  proto: '-',
  action: '-',
  reporter: '-',
  policies: { all_policies: [], enforced_policies: [], pending_policies: [] },
  bytes_in: 0,
  bytes_out: 0,
  packets_in: 0,
  packets_out: 0,
  num_flows: 0,
  num_flows_started: 0,
  num_flows_completed: 0,
  goldmane: { num_connections_live: 0 },
};

describe('readGoldmaneFlow', () => {
  it('makes a flow record of what Goldmane sends', () => {
    const expected: FlowRecord = {
      start_time: 1_760_000_000,
      end_time: 1_760_000_300,
      source_ip: null,
      source_name: '-',
      source_name_aggr: 'client-0-*',
      source_namespace: 'shop',
      source_port: null,
      source_type: 'wep',
      source_labels: { labels: ['app=client', 'tier=web'] },
      dest_ip: null,
      dest_name: '-',
      dest_name_aggr: 'backend-*',
      dest_namespace: 'shop-db',
      dest_port: 5432,
      dest_type: 'wep',
      dest_labels: { labels: ['app=backend'] },
      dest_service_namespace: 'shop-db',
      dest_service_name: 'backend',
      dest_service_port: 'pg',
      proto: 'tcp',
      action: 'allow',
      reporter: 'src',
      policies: {
        all_policies: ['0|default|shop/default.allow-backend|allow|1', '0|default|shop/default.staged:staged|allow|-1'],
        enforced_policies: ['0|default|shop/default.allow-backend|allow|1'],
        pending_policies: ['0|default|shop/default.staged:staged|allow|-1'],
      },
      bytes_in: 1000,
      bytes_out: 2000,
      packets_in: 10,
      packets_out: 20,
      num_flows: 2,
      num_flows_started: 2,
      num_flows_completed: 1,
      goldmane: { Key: { dest_service_port: 5432 }, num_connections_live: 1 },
    };
    const flow = accepted(Buffer.from(SAMPLE));
    assert.deepEqual(flow.record, expected);
    assert.equal(flow.time, 1_760_000_300_000);
    assert.match(flow.identity, /^[\w-]{22}$/);
    assert.deepEqual(accepted(SAMPLE), flow);
  });

  it('takes a member that is missing, empty, null or "-" for the same', () => {
    assert.deepEqual(recordOf({ policies: {} }), NOTHING);
    assert.deepEqual(recordOf({}), NOTHING);
    const names = ['source_name', 'source_namespace', 'dest_name', 'dest_namespace', 'proto'];
    const service = ['dest_service_name', 'dest_service_namespace', 'dest_service_port_name'];
    for (const none of ['', '-', null]) {
      const key = Object.fromEntries([...names, ...service].map((name) => [name, none]));
      assert.deepEqual(recordOf({ ...key, policies: null }, { source_labels: null, bytes_in: null }), NOTHING);
    }
    const zeros = {
      source_type: 0,
      dest_type: 0,
      dest_port: 0,
      reporter: 0,
      action: 0,
      policies: { enforced_policies: [] },
    };
    assert.deepEqual(recordOf(zeros, { dest_labels: [], packets_out: 0, num_connections_live: 0 }), NOTHING);
  });

  it('names the types of endpoints, and writes one it does not know as its number', () => {
    const types = [1, 2, 3, 4, 5].map((type) => recordOf({ source_type: type, dest_type: type }));
    assert.deepEqual(
      types.map(({ source_type }) => source_type),
      ['wep', 'hep', 'ns', 'net', '5'],
    );
    assert.deepEqual(
      types.map(({ dest_type }) => dest_type),
      ['wep', 'hep', 'ns', 'net', '5'],
    );
  });

  it('names actions and reporters, and writes one it does not know as its number', () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((action) => recordOf({ action }).action),
      ['allow', 'deny', 'pass', '4'],
    );
    assert.deepEqual(
      [1, 2, 3].map((reporter) => recordOf({ reporter }).reporter),
      ['src', 'dst', '3'],
    );
  });

  it('counts a connection once that lives in many buckets', () => {
    const flows = (counts: object, end_time = TIMES.end_time) => recordOf({}, { ...counts, end_time }).num_flows;
    assert.equal(flows({ num_connections_live: 20 }), 1);
    assert.equal(flows({ num_connections_live: 21 }), 2);
    assert.equal(flows({ num_connections_live: 20 }, TIMES.start_time + 15), 20);
    assert.equal(flows({ num_connections_live: 20 }, TIMES.start_time), 20);
    assert.equal(flows({ num_connections_live: 20, num_connections_started: 40 }), 40);
    assert.equal(flows({ num_connections_completed: 3 }), 3);
  });

  it('keeps what it does not know, in its place', () => {
    const hit = { kind: 2, name: 'a', tier: 't', action: 1 };
    const zone = { zone: 'a', more: [{ deep: true }] };
    const policies = { enforced_policies: [hit, { ...hit, policy_index: 1, zone }], transit_policies: [hit] };
    const { record } = accepted(line({ proto: 'tcp', node: 'n-1', policies }, { cluster: 'other', retransmits: 7 }));
    assert.deepEqual(record.goldmane, {
      num_connections_live: 0,
      cluster: 'other',
      retransmits: 7,
      Key: { node: 'n-1', policies: { transit_policies: [hit], enforced_policies: [{}, { zone }] } },
    });
    assert.equal('cluster' in record, false);
    assert.deepEqual(record.policies.enforced_policies, ['0|t|t.a|allow|0', '1|t|t.a|allow|0']);
  });

  it('keeps a member called __proto__ a member', () => {
    const { record } = accepted(`{"Key":{"__proto__":{"x":1}},"start_time":1760000000,"end_time":1760000300}`);
    assert.equal(JSON.stringify(record.goldmane), '{"num_connections_live":0,"Key":{"__proto__":{"x":1}}}');
  });

  it('reads what a real Goldmane sent', () => {
    const seen = EMITTED_FLOWS.map((emitted) => accepted(emitted).record);
    assert.deepEqual(
      seen.map(({ source_type, dest_type, reporter, action }) => [source_type, dest_type, reporter, action].join(' ')),
      ['wep wep dst allow', 'wep net src deny', 'wep wep src allow', 'hep wep dst allow', 'wep ns src allow'],
    );
    assert.deepEqual(
      seen.map(({ policies }) => policies.all_policies),
      [
        [
          '0|security|security.quarantine|pass|1',
          '1|default|store/default.cart-ingress|allow|0',
          '1|default|store/default.staged:cart-strict|deny|-1',
        ],
        ['0|security|security.egress|deny|-1'],
        ['0|__PROFILE__|__PROFILE__.kns.store|allow|0'],
        ['0|kube-admin|kcnp.kube-admin.allow-nodes|allow|2'],
        [
          '0|default|payments/knp.default.gateway-egress|allow|1',
          '0|default|default.staged:banks-only|allow|0',
          '1|default|payments/knp.default.gateway-egress|allow|1',
        ],
      ],
    );
  });

  it('reads ten thousand flows and tells each from all others', () => {
    const range = { from: Date.UTC(2026, 10, 22), to: Date.UTC(2026, 10, 22, 6) };
    const lines = [...generateGoldmane({ seed: 7, count: 10_000, ...range })];
    const flows = lines.map(accepted);
    assert.equal(new Set(flows.map(({ identity }) => identity)).size, 10_000);
    for (const { time, record } of flows) {
      assert.ok(time >= range.from && time <= range.to, new Date(time).toISOString());
      assert.deepEqual(Object.keys(record), Object.keys(NOTHING));
      assert.doesNotMatch(JSON.stringify(record), /"\d+"|"\d+:/, 'an enum without a name');
    }
    assert.deepEqual([...generateGoldmane({ seed: 7, count: 10_000, ...range })], lines);
  });
});

describe('the identity of a flow', () => {
  it('tells a hundred thousand apart', () => {
    const count = 100_000;
    const range = { from: Date.UTC(2026, 10, 22), to: Date.UTC(2026, 10, 22, 4) };
    const identities = new Set<string>();
    for (const text of generateGoldmane({ seed: 9, count, ...range })) {
      const identity = identityOf(text);
      assert.equal(identities.has(identity), false, text);
      identities.add(identity);
    }
    assert.equal(identities.size, count);
    const [again = ''] = generateGoldmane({ seed: 9, count, ...range });
    assert.ok(identities.has(identityOf(again)));
  });

  it('does not depend on the order of members', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([name, member]) => [name, reversed(member)]),
      );
    };
    const other = JSON.stringify(reversed(JSON.parse(SAMPLE)), null, 1);
    assert.match(other, /^\{\n "num_connections_live"/);
    assert.equal(identityOf(other), identityOf(SAMPLE));
    assert.deepEqual(accepted(other).record, accepted(SAMPLE).record);
  });

  it('does not depend on what was counted', () => {
    const { Key } = JSON.parse(SAMPLE) as { Key: object };
    assert.equal(identityOf(line(Key, { bytes_in: 5, source_labels: ['a=b'], later: 1 })), identityOf(SAMPLE));
  });

  it('depends on everything in the Key, on start and on end', () => {
    const key = { proto: 'tcp', dest_port: 443, policies: { enforced_policies: [{ kind: 2, name: 'a' }] } };
    const hits = [
      { kind: 2, name: 'a' },
      { kind: 2, name: 'b' },
    ];
    const different = [
      line(key),
      line(key, { start_time: TIMES.start_time + 15 }),
      line(key, { end_time: TIMES.end_time - 15 }),
      line({ ...key, proto: 'udp' }),
      line({ ...key, dest_service_port: 80 }),
      line({ ...key, unheard_of: 1 }),
      line({ ...key, policies: {} }),
      line({ ...key, policies: { pending_policies: key.policies.enforced_policies } }),
      line({ ...key, policies: { enforced_policies: hits } }),
      line({ ...key, policies: { enforced_policies: hits.toReversed() } }),
    ];
    assert.equal(new Set(different.map(identityOf)).size, different.length);
  });
});

describe('a line that is no flow', () => {
  const { end_time, start_time } = TIMES;

  for (const [text, expected] of [
    ['', 'not JSON'],
    ['{"Key":', 'not JSON'],
    ['null', 'the line is not a JSON object'],
    ['[]', 'the line is not a JSON object'],
    ['7', 'the line is not a JSON object'],
    [JSON.stringify(TIMES), 'Key is missing'],
    [line([]), 'Key is not a JSON object'],
    [JSON.stringify({ Key: {}, end_time }), 'no start_time'],
    [JSON.stringify({ Key: {}, start_time }), 'no end_time'],
    [line({}, { end_time: 0 }), 'no end_time'],
    [line({}, { end_time: start_time - 1 }), 'end_time is before start_time'],
    [line({}, { end_time: 17_600_003_000_000 }), 'end_time is 17600003000000, not from 31536000 to 99999999999'],
    [line({}, { start_time: -5 }), 'start_time is -5, not from 31536000 to 99999999999'],
    [line({}, { end_time: '2026-11-22T00:00:00Z' }), 'end_time is not a whole number'],
    [line({}, { bytes_in: 1.5 }), 'bytes_in is not a whole number'],
    [line({}, { bytes_in: '10' }), 'bytes_in is not a whole number'],
    [line({}, { bytes_in: true }), 'bytes_in is not a whole number'],
    [line({}).replace('}}', '').replace('{}', '{},"bytes_in":9007199254740993'), 'bytes_in is not a whole number'],
    [line({}).replace('{}', '{},"bytes_in":1e999'), 'bytes_in is not a whole number'],
    [line({}, { packets_out: -1 }), 'packets_out is -1, not from 0 to 9007199254740991'],
    [line({ dest_port: 65_536 }), 'Key.dest_port is 65536, not from 0 to 65535'],
    [line({ source_type: -1 }), 'Key.source_type is -1, not from 0 to 2147483647'],
    [line({ action: 'Allow' }), 'Key.action is not a whole number'],
    [line({ source_name: 5 }), 'Key.source_name is not a text'],
    [line({ dest_name: { a: 1 } }), 'Key.dest_name is not a text'],
    [line({ proto: 'x'.repeat(1025) }), 'Key.proto has more than 1024 characters'],
    [line({}, { source_labels: 'app=web' }), 'source_labels is not a list'],
    [line({}, { source_labels: [['app', 'web']] }), 'source_labels is not a text'],
    [line({}, { dest_labels: Array(1001).fill('a=b') }), 'dest_labels has more than 1000 items'],
    [line({ policies: [] }), 'Key.policies is not a JSON object'],
    [line({ policies: { enforced_policies: {} } }), 'Key.policies.enforced_policies is not a list'],
    [line({ policies: { pending_policies: [{}, 'x'] } }), 'Key.policies.pending_policies[1] is not a JSON object'],
    [
      line({ policies: { pending_policies: [{ kind: '1' }] } }),
      'Key.policies.pending_policies[0].kind is not a whole number',
    ],
    [line({}, { more: JSON.parse(`${'['.repeat(20)}${']'.repeat(20)}`) as unknown }), 'nested more than 20 deep'],
    [`{"more":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`, 'nested more than 20 deep'],
    [`{"more":${'['.repeat(1_000_000)}`, 'not JSON'],
  ] as const) {
    const shown = text.length > 90 ? `${text.slice(0, 87)}...` : text;
    it(`is refused: ${shown}`, () => assert.equal(reason(text), expected));
  }

  it('is refused if it is not UTF-8', () => {
    assert.equal(reason(Buffer.from('{"Key":{"proto":"\xff"}}', 'latin1')), 'not UTF-8');
  });
});
