import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Outcome } from '../testbed/processes.ts';
import { addSender, forward, grant, mcm, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const NOW = Math.floor(Date.now() / 1000) * 1000;
const MINUTE = 60_000;
const CLUSTER = ['--cluster', 'denied-eu'];

interface Denial {
  readonly cluster: string;
  readonly staged: boolean;
  readonly direction: string;
  readonly reporter: string;
  readonly policies: readonly { readonly policy: string; readonly by: string; readonly rule?: number }[];
  readonly between: readonly string[];
  readonly records: number;
  readonly connections: number;
  readonly packets: number;
  readonly first: string;
  readonly last: string;
}

interface Report {
  readonly denials: readonly Denial[];
  readonly allowed: { readonly egress: number; readonly ingress: number; readonly last?: string };
  readonly changes: readonly {
    readonly user: string;
    readonly verb: string;
    readonly name: string;
    readonly time: string;
  }[];
}

/** A record of five minutes that end so many minutes ago. */
function flow(ago: number, more: object): string {
  const end = (NOW - ago * MINUTE) / 1000;
  return JSON.stringify({
    ...{ start_time: end - 300, end_time: end, proto: 'tcp', source_type: 'wep', dest_type: 'wep' },
    ...{ source_namespace: 'store', source_name: '-', source_name_aggr: 'frontend-754cdbf884-*', source_ip: null },
    ...{ dest_namespace: 'store', dest_name: '-', dest_name_aggr: 'redis-*', dest_ip: null, dest_port: 6379 },
    ...{ num_flows: 3, num_flows_started: 3, packets_in: 9, packets_out: 0 },
    ...more,
  });
}

const LET_OUT = {
  action: 'allow',
  reporter: 'src',
  policies: { enforced_policies: ['0|__PROFILE__|__PROFILE__.kns.store|allow|0'] },
};
const END_OF_TIER = {
  ...{ action: 'deny', reporter: 'dst' },
  policies: {
    enforced_policies: ['1|default|store/default.redis-only|deny|-1', '0|security|security.quarantine|pass|1'],
  },
};
const STAGED = {
  ...LET_OUT,
  policies: { ...LET_OUT.policies, pending_policies: ['0|security|security.staged:egress|deny|2'] },
};
const POD = { source_name: 'frontend-754cdbf884-x2v4q', source_ip: '10.1.4.7' };
const OUTSIDE = {
  ...{
    dest_namespace: '-',
    dest_name_aggr: 'pub',
    dest_ip: '203.0.113.9',
    dest_type: 'net',
    dest_port: 443,
    reporter: 'src',
  },
  ...{ action: 'deny', policies: { enforced_policies: ['0|security|security.egress|deny|4'] } },
};
const KUBERNETES = {
  ...{ dest_name_aggr: 'cart-6b6-*', dest_port: 8080, action: 'deny', reporter: 'dst' },
  policies: { enforced_policies: ['0|default|store/knp.default.cart|deny|-1'] },
};

const FLOWS = [
  flow(30, LET_OUT),
  flow(30, END_OF_TIER),
  flow(10, END_OF_TIER),
  flow(10, { ...END_OF_TIER, ...POD }),
  flow(20, STAGED),
  flow(20, { ...OUTSIDE, ...POD }),
  flow(15, KUBERNETES),
  flow(15, { ...LET_OUT, dest_name_aggr: 'mail-0f9-*', dest_port: 25 }),
  // Another workload, whose name begins alike.
  flow(12, { ...END_OF_TIER, dest_name_aggr: 'rediscache-86c-*' }),
  // Too long ago to be found without being asked for.
  flow(150, { ...END_OF_TIER, dest_name_aggr: 'old-1-*' }),
];

function audit(ago: number, user: string, verb: string, object: object, more: object = {}): string {
  return JSON.stringify({
    ...{ kind: 'Event', auditID: `id-${user}-${ago}`, stage: 'ResponseComplete', verb, user: { username: user } },
    ...{ objectRef: { apiGroup: 'projectcalico.org', ...object }, responseStatus: { code: 200 } },
    stageTimestamp: new Date(NOW - ago * MINUTE).toISOString(),
    ...more,
  });
}

const REDIS_ONLY = { resource: 'networkpolicies', namespace: 'store', name: 'default.redis-only' };
const AUDIT_EE = [
  audit(36, 'jane', 'update', REDIS_ONLY),
  audit(40, 'joe', 'patch', { resource: 'tiers', name: 'default' }),
  audit(41, 'refused', 'update', REDIS_ONLY, { responseStatus: { code: 403 } }),
  audit(42, 'reader', 'get', REDIS_ONLY),
  audit(43, 'elsewhere', 'update', { ...REDIS_ONLY, namespace: 'shop' }),
  audit(5, 'later', 'update', REDIS_ONLY),
  audit(60 * 26, 'before', 'update', REDIS_ONLY),
  audit(50, 'staging', 'create', { resource: 'stagedglobalnetworkpolicies', name: 'security.egress' }),
  audit(51, 'outsider', 'create', { resource: 'globalnetworkpolicies', name: 'security.egress' }),
];
const AUDIT_KUBE = [
  audit(45, 'kubist', 'create', {
    apiGroup: 'networking.k8s.io',
    resource: 'networkpolicies',
    namespace: 'store',
    name: 'cart',
  }),
];

before(async () => {
  for (const cluster of ['denied-eu', 'denied-us']) {
    const sender = await addSender(workbench, cluster);
    const write = (name: string, lines: readonly string[]) => {
      const file = join(sender.folder, name);
      writeFileSync(file, `${lines.join('\n')}\n`);
      return file;
    };
    const { code, stderr } = await forward(workbench, sender, [
      ...['--flow', write('flows.log', cluster === 'denied-eu' ? FLOWS : FLOWS.slice(0, 2))],
      ...['--audit-ee', write('tsee-audit.log', AUDIT_EE), '--audit-kube', write('kube-audit.log', AUDIT_KUBE)],
    ]);
    assert.equal(code, 0, stderr);
  }
  await workbench.elasticsearch.request('POST', '/_refresh');
});

async function whyDenied(args: readonly string[]): Promise<Outcome> {
  return await mcm(workbench, ['why-denied', ...args]);
}

async function report(...args: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await whyDenied([...args, '-o', 'json']);
  assert.deepEqual([code, stderr], [0, '']);
  return JSON.parse(stdout) as Report;
}

function minutesAgo(ago: number): string {
  return new Date(NOW - ago * MINUTE).toISOString();
}

describe('why-denied', () => {
  it('says which policies denied, tier by tier, how often and since when, and who changed them before', async () => {
    const { denials, allowed, changes } = await report('store/frontend', 'store/redis-:6379', ...CLUSTER);
    assert.deepEqual(denials, [
      {
        ...{ cluster: 'denied-eu', staged: false, direction: 'ingress', reporter: 'dst' },
        policies: [
          { tier: 'security', policy: 'security.quarantine', action: 'pass', by: 'rule', rule: 1 },
          { tier: 'default', policy: 'store/default.redis-only', action: 'deny', by: 'end-of-tier' },
        ],
        between: [
          'store/frontend-754cdbf884-* -> store/redis-* tcp/6379',
          'store/frontend-754cdbf884-x2v4q -> store/redis-* tcp/6379',
        ],
        ...{ records: 3, connections: 9, packets: 27, first: minutesAgo(35), last: minutesAgo(10) },
      },
      {
        ...{ cluster: 'denied-eu', staged: true, direction: 'egress', reporter: 'src' },
        policies: [{ tier: 'security', policy: 'security.staged:egress', action: 'deny', by: 'rule', rule: 2 }],
        between: ['store/frontend-754cdbf884-* -> store/redis-* tcp/6379'],
        ...{ records: 1, connections: 3, packets: 9, first: minutesAgo(25), last: minutesAgo(20) },
      },
    ]);
    assert.deepEqual(allowed, { egress: 6, ingress: 0, last: minutesAgo(20) });
    assert.deepEqual(
      changes.map(({ user, verb, name, time }) => [user, verb, name, time]),
      [
        ['jane', 'update', 'store/default.redis-only', minutesAgo(36)],
        ['joe', 'patch', 'default', minutesAgo(40)],
        ['staging', 'create', 'security.egress', minutesAgo(50)],
      ],
    );
  });

  it('is told to people in words', async () => {
    const { code, stdout, stderr } = await whyDenied(['store/frontend', 'store/redis-', ...CLUSTER, '--utc']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(
      stdout,
      /^Denied at the destination \(ingress, reported by dst\): 9 connections, 27 packets in 3 records\n/,
    );
    assert.match(stdout, /\n {2}default +default\/store.redis-only +deny \(end of tier "default": no rule matched\)\n/);
    assert.match(
      stdout,
      /\nWould be denied by a staged policy at the source \(egress, reported by src\): 3 connections/,
    );
    const day = minutesAgo(36).slice(11, 23);
    assert.match(
      stdout,
      new RegExp(`\nChanged in the 24h before:\n {2}\\w+ \\d\\d ${day} {2}jane +update {2}networkpolicies`),
    );
  });

  for (const [source, destination, what] of [
    ['store/frontend-754cdbf884-*', 'store/redis-*', [3, 1]],
    // Of a pod: its own, and those that it was counted in.
    ['store/frontend-754cdbf884-x2v4q', 'store/redis-', [3, 1]],
    ['store/frontend-754cdbf884-zzzzz', 'store/redis-', [2, 1]],
    ['store/frontend', 'store/redis', [4, 1]],
    ['10.1.4.7', 'store/redis-', [1]],
    ['10.1.0.0/16', 'store/redis-:6379', [1]],
    ['store/frontend', '203.0.113.9:443', [1]],
    ['store/frontend', '203.0.113.0/24', [1]],
    ['store/frontend', 'public:443', [1]],
    ['store/frontend', 'store/redis-:6380', []],
    ['shop/frontend', 'store/redis-', []],
    ['store/frontend', 'store/old', []],
  ] as const) {
    it(`finds ${what.length === 0 ? 'nothing' : `${what} records`} from ${source} to ${destination}`, async () => {
      const { denials } = await report(source, destination, ...CLUSTER);
      assert.deepEqual(
        denials.map(({ records }) => records),
        what,
      );
    });
  }

  it('looks further back where it is told to, and no further than it is', async () => {
    const records = async (...flags: string[]) =>
      (await report('store/frontend', 'store/old', ...CLUSTER, ...flags)).denials.map(({ records }) => records);
    assert.deepEqual(await records('--since', '3h'), [1]);
    assert.deepEqual(await records('--since-time', minutesAgo(160)), [1]);
    assert.deepEqual(await records('--until', '2h'), [1]);
    assert.deepEqual(await records('--since', '2h'), []);
  });

  it("finds who changed Kubernetes' own policies", async () => {
    const { denials, changes } = await report('store/frontend', 'store/cart', ...CLUSTER);
    assert.equal(denials[0]?.policies[0]?.policy, 'store/knp.default.cart');
    assert.deepEqual(
      changes.map(({ user }) => user),
      ['kubist'],
    );
  });

  it('keeps clusters apart', async () => {
    const { denials, changes } = await report('store/frontend', 'store/redis-', '--cluster', 'denied-*');
    assert.deepEqual(
      denials.map(({ cluster, staged, records }) => [cluster, staged, records]),
      [
        ['denied-eu', false, 3],
        ['denied-us', false, 1],
        ['denied-eu', true, 1],
      ],
    );
    assert.equal(changes.filter(({ user }) => user === 'jane').length, 2);
  });

  it('says what was seen where nothing was denied', async () => {
    const allowed = await whyDenied(['store/frontend', 'store/mail:25', ...CLUSTER, '--utc']);
    assert.deepEqual([allowed.code, allowed.stderr], [0, '']);
    assert.match(
      allowed.stdout,
      /^Nothing was denied from store\/frontend to store\/mail, port 25, in cluster denied-eu, since .*\.\nLet through in the same time: 3 connections at the source \(egress\), 0 at the destination \(ingress\), the last by .*\n$/,
    );
    const nothing = await whyDenied(['store/frontend', 'store/nobody', ...CLUSTER]);
    assert.equal(nothing.code, 0);
    assert.match(
      nothing.stdout,
      /^Nothing was denied .*\nThere are no flow logs between them at all. That may be because\n- /,
    );
  });

  it('names what RBAC refuses, and exits with 3, or 1 where it is the flows', async () => {
    await grant(workbench, 'denied-flows', { resources: ['denied-eu'], resourceNames: ['flows'] });
    const as = ['--as', 'denied-flows'];
    const { code, stdout, stderr } = await whyDenied(['store/frontend', 'store/redis-', ...CLUSTER, ...as]);
    assert.equal(code, 3);
    assert.match(stdout, /^Denied at the destination .*\nChanged in the 24h before: not known.\n$/s);
    assert.match(stderr, /^warning: audit-ee logs of cluster "denied-eu" are not shown: .* is forbidden: .*\n$/);
    // Who changed what is no question where nothing was denied.
    const nothing = await whyDenied(['store/frontend', 'store/mail', ...CLUSTER, ...as]);
    assert.deepEqual([nothing.code, nothing.stderr], [0, '']);
    const refused = await whyDenied(['store/frontend', 'store/redis-', '--cluster', 'denied-us', ...as]);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /^Error from server \(Forbidden\): /);
    const partly = await whyDenied(['store/frontend', 'store/mail', '--cluster', 'denied-eu,denied-us', ...as]);
    assert.equal(partly.code, 3);
    assert.match(partly.stderr, /^warning: flow logs of cluster "denied-us" are not shown: .*\n$/);
  });

  it('says where there is more than it looks at', async () => {
    const sender = await addSender(workbench, 'denied-many');
    const lines = Array.from({ length: 10_001 }, (_, n) => flow(10, { ...END_OF_TIER, source_port: n }));
    const file = join(sender.folder, 'flows.log');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const sent = await forward(workbench, sender, ['--flow', file]);
    assert.equal(sent.code, 0, sent.stderr);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const args = ['store/frontend', 'store/redis-', '--cluster', 'denied-many', '-o', 'json'];
    const { code, stdout, stderr } = await whyDenied(args);
    const { denials, isCut } = JSON.parse(stdout) as Report & { readonly isCut?: boolean };
    assert.deepEqual([denials[0]?.records, isCut, code], [10_000, true, 3]);
    assert.match(
      stderr,
      /^warning: there are more records than were looked at, which are the newest; ask for less time\n$/,
    );
    // Those of other times are no matter.
    const before = await whyDenied([...args, '--until', '30m']);
    assert.deepEqual([before.code, before.stderr], [0, '']);
  });

  for (const [args, message] of [
    [['redis', 'store/redis'], /^error: "redis" names no end of a connection\nIt can be NAMESPACE\/POD /],
    [['store/a', '10.0.0.0/99'], /^error: "10.0.0.0\/99" is not a network: /],
    [['store/a'], /^error: .*\n/],
    [['store/a', 'store/b', '-o', 'wide'], /^error: invalid argument "wide" for "/],
  ] as const) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await whyDenied([...args, ...CLUSTER]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, message);
    });
  }
});
