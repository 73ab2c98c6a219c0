import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { LogTop } from '../src/logs/query/log-top.ts';
import { parseFilter } from '../src/logs/query/parse-filter.ts';
import { Fields } from '../src/logs/types/field.ts';
import type { GroupWord, MetricWord } from '../src/logs/types/grouping.ts';
import { selectLogTypes } from '../src/logs/types/index.ts';
import type { StoredRecord } from '../src/logs/types/log-type.ts';
import type { Outcome } from '../testbed/processes.ts';
import { counted } from './conformance/top-oracle.ts';
import { addSender, forward, grant, mcm, sharedWorkbench, userOf } from './harness.ts';

const workbench = sharedWorkbench();
const NOW = Math.floor(Date.now() / 1000) * 1000;
const EU = ['--cluster', 'topped-eu', '--since', '1h'];

function audits(): string[] {
  return [
    ['jane', 'update', 'store', 'ResponseComplete'],
    ['jane', 'update', 'store', 'RequestReceived'],
    ['jane', 'delete', 'payments', 'ResponseComplete'],
    ['joe', 'create', 'payments', 'Panic'],
  ].map(([username, verb, namespace, stage], at) =>
    JSON.stringify({
      ...{ kind: 'Event', auditID: `id-${at}`, stage, verb, user: { username } },
      ...{ objectRef: { resource: 'networkpolicies', namespace, name: 'default.redis-only' } },
      stageTimestamp: new Date(NOW - 10_000 + at).toISOString(),
    }),
  );
}

before(async () => {
  for (const [at, cluster] of ['topped-eu', 'topped-us'].entries()) {
    const sender = await addSender(workbench, cluster);
    const range = { seed: 31 + at, count: 250, from: NOW - 600_000, to: NOW - 1000 };
    const write = (name: string, records: Iterable<string>) => {
      const file = join(sender.folder, name);
      writeFileSync(file, `${[...records].join('\n')}\n`);
      return file;
    };
    const { code, stderr } = await forward(workbench, sender, [
      ...['--flow', write('flows.log', generateFlows(range)), '--dns', write('dns.log', generateDns(range))],
      ...['--audit-kube', write('kube-audit.log', audits())],
      ...['--audit-ee', write('tsee-audit.log', audits().slice(0, 1))],
    ]);
    assert.equal(code, 0, stderr);
  }
  await workbench.elasticsearch.request('POST', '/_refresh');
});

async function top(args: readonly string[]): Promise<Outcome> {
  return await mcm(workbench, ['top', ...args]);
}

async function counts(args: readonly string[]): Promise<LogTop> {
  const { code, stdout, stderr } = await top([...args, '-o', 'json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as LogTop;
}

async function records(args: readonly string[]): Promise<StoredRecord[]> {
  const { code, stdout, stderr } = await mcm(workbench, ['logs', ...args, '-o', 'json']);
  assert.equal(code, 0, stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as StoredRecord);
}

interface Asked {
  /** Flags that `logs` takes as well. */
  readonly which: readonly string[];
  readonly type?: 'flow' | 'dns' | 'audit';
  readonly by: GroupWord;
  readonly metric: MetricWord;
  readonly flags?: readonly string[];
  /** A query of the same fields as those that `which` looks at. */
  readonly like?: string;
  readonly limit?: number;
}

/** What the command counts of the records that `logs` shows for the same flags. */
async function check({ which, type = 'flow', by, metric, flags = [], like, limit = 10 }: Asked): Promise<LogTop> {
  const types = selectLogTypes(type) ?? [];
  const fields = Fields.of(types);
  const shown = await records([...which, '--type', type, '--tail', '-1']);
  const filter = like === undefined ? undefined : parseFilter(like, fields, 'logs');
  const clusters = [...new Set(shown.map(({ cluster }) => String(cluster)))];
  const asked = { clusters, types, since: undefined, until: undefined, by, metric, limit };
  // They are those already that the filter finds.
  const wanted = counted({ ...asked, filter }, shown);
  const answer = await counts([...which, '--by', by, ...flags]);
  const members = types[0]?.groupings?.[by]?.members ?? [];
  const items = wanted.rows.map(({ members: values, ...rest }) => {
    return { group: Object.fromEntries(members.map((name, at) => [name, values[at]])), ...rest };
  });
  assert.ok(items.length > 0);
  assert.deepEqual(answer.items, items);
  assert.deepEqual(answer.totals, wanted.totals);
  assert.equal(answer.groups, wanted.count);
  return answer;
}

describe('top counts what logs show', () => {
  for (const asked of [
    { which: EU, by: 'namespace', metric: 'bytes' },
    { which: EU, by: 'pod', metric: 'packets', flags: ['--metric', 'packets', '--limit', '3'], limit: 3 },
    { which: EU, by: 'service', metric: 'flows', flags: ['--metric', 'flows'] },
    { which: EU, by: 'port', metric: 'denies', flags: ['--metric', 'denies'] },
    { which: EU, by: 'policy', metric: 'denies', flags: ['--metric', 'denies'], like: 'action = deny' },
    { which: EU, by: 'policy', metric: 'bytes' },
    {
      which: ['--cluster', 'topped-*', '--since', '1h'],
      by: 'pod',
      metric: 'bytes',
      flags: ['--limit', '4'],
      limit: 4,
    },
    {
      which: ['--cluster', 'topped-eu,topped-us', '--since', '1h'],
      by: 'policy',
      metric: 'flows',
      flags: ['--metric', 'flows'],
    },
    { which: [...EU, '--from-pod', 'store/frontend'], by: 'service', metric: 'bytes' },
    { which: [...EU, '--not', '-n', 'store'], by: 'port', metric: 'bytes' },
    { which: [...EU, '--action', 'allow'], by: 'namespace', metric: 'bytes', like: 'action = allow' },
    {
      which: [...EU, '--reporter', 'dst'],
      by: 'namespace',
      metric: 'flows',
      flags: ['--metric', 'flows'],
      like: 'reporter = dst',
    },
    {
      ...{ which: [...EU, '--policy', 'payments/gateway-ingress'], by: 'pod', metric: 'bytes' },
      like: '"policies.all_policies" IN {"*gateway-ingress*"}',
    },
    { which: [...EU, '-q', 'num_flows > 20'], by: 'namespace', metric: 'bytes', like: 'num_flows > 20' },
    {
      ...{ which: ['--cluster', 'topped-eu', '--since', new Date(NOW - 300_000).toISOString()], by: 'port' },
      metric: 'bytes',
    },
    {
      ...{ which: ['--cluster', 'topped-eu', '--until', new Date(NOW - 300_000).toISOString()], by: 'port' },
      metric: 'bytes',
    },
    { which: EU, type: 'dns', by: 'qname', metric: 'requests' },
    {
      which: [...EU, '--rcode', 'NXDOMAIN'],
      type: 'dns',
      by: 'qname',
      metric: 'records',
      flags: ['--metric', 'records'],
    },
    { which: EU, type: 'dns', by: 'namespace', metric: 'requests', flags: ['--type', 'dns'] },
    { which: [...EU, '--from-label', 'app=frontend'], type: 'dns', by: 'qname', metric: 'requests' },
    { which: EU, type: 'dns', by: 'pod', metric: 'requests', flags: ['--metric', 'requests'] },
    { which: EU, type: 'audit', by: 'user', metric: 'requests' },
    { which: EU, type: 'audit', by: 'user', metric: 'records', flags: ['--metric', 'records'] },
    { which: [...EU, '--source', 'kube'], type: 'audit', by: 'user', metric: 'requests' },
    {
      which: [...EU, '--verb', 'update'],
      type: 'audit',
      by: 'namespace',
      metric: 'requests',
      flags: ['--type', 'audit'],
    },
  ] as readonly Asked[]) {
    const { which, by, flags = [] } = asked;
    it(`${which.slice(1).join(' ')} --by ${by} ${flags.join(' ')}`, async () => {
      await check(asked);
    });
  }

  it('by namespace, of flows, in bytes, where nothing else is said', async () => {
    const [{ by, metric }, said] = [await counts(EU), await counts([...EU, '--by', 'namespace', '--metric', 'bytes'])];
    assert.deepEqual([by, metric], ['namespace', 'bytes']);
    assert.deepEqual((await counts(EU)).items, said.items);
  });
});

describe('top', () => {
  it('is a table with its total, and bars nowhere but on terminals', async () => {
    const { stdout, stderr, code } = await top([...EU, '--limit', '2']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(
      stdout,
      /^NAMESPACE +BYTES +SHARE\n\S+ +[\d.]+[KM]iB +[\d.]+%\n\S+ .*\n\(2 of \d\) +[\d.]+[KM]iB +total\n$/,
    );
    assert.match((await top([...EU, '-o', 'wide', '--no-headers'])).stdout, /^\S+ +[\d.]+[KM]iB +\d+ +[\d.]+%\n/);
    assert.match((await top([...EU, '-o', 'csv'])).stdout, /^NAMESPACE,BYTES\n\w+,\d+\n/);
    assert.match((await top([...EU, '-o', 'name', '--limit', '1'])).stdout, /^namespace\/\w+\n$/);
  });

  it('says that there is nothing', async () => {
    const { code, stdout, stderr } = await top([...EU, '--namespace', 'nothing']);
    assert.deepEqual([code, stdout, stderr], [0, '', 'No resources found\n']);
  });

  for (const [args, message] of [
    [
      ['--by', 'qname', '--metric', 'bytes'],
      /^error: --metric bytes does not go with --by qname of dns logs: --metric can be requests, records\n/,
    ],
    [
      ['--by', 'policy', '--metric', 'requests'],
      /^error: --metric requests does not go with --by policy of flow logs: --metric can be bytes, flows, packets, denies\n/,
    ],
    [
      ['--by', 'user', '--type', 'flow'],
      /^error: --by user does not go with flow logs: --by can be namespace, pod, service, policy, port\n/,
    ],
    [['--by', 'colour'], /^error: invalid argument "colour" for "--by" flag: /],
    [['--limit', '0'], /^error: invalid argument "0" for "--limit" flag: must be a number from 1 to 10000\n/],
    [
      ['-o', 'xml'],
      /^error: invalid argument "xml" for "--output" flag: must be one of table, wide, json, yaml, csv, name\n/,
    ],
    [['--qname', 'x'], /^error: --qname asks for nothing that flow logs have\n/],
    [
      ['--by', 'user', '--source', 'calico', '--user', 'x', '--port', '1'],
      /^error: --port asks for nothing that audit-ee logs have\n/,
    ],
  ] as const) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await top([...EU, ...args]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, message);
    });
  }

  it('is asked for otherwise than in kubectl', async () => {
    for (const [word, by] of [
      ['pods', 'pod'],
      ['policies', 'policy'],
    ] as const) {
      const { code, stderr } = await top([word]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`Did you mean this\\?\n\tkubectl mcm top --by ${by}\n`));
    }
  });

  it('names what is refused, and exits with 3, or 1 when that is not to be', async () => {
    await grant(workbench, 'topper', { resources: ['topped-eu'], resourceNames: ['flows', 'audit_ee'] });
    const as = ['--as', 'topper', '--since', '1h', '-o', 'json'];
    const both = await top([...as, '--cluster', 'topped-eu,topped-us']);
    assert.equal(both.code, 3);
    assert.match(both.stderr, /^warning: flow logs of cluster "topped-us" are not shown: .* is forbidden: .*\n$/);
    const one = await counts(EU);
    assert.deepEqual((JSON.parse(both.stdout) as LogTop).items, one.items);
    const strict = await top([...as, '--cluster', 'topped-eu,topped-us', '--strict']);
    assert.deepEqual([strict.code, strict.stdout], [1, '']);
    // Each type by itself.
    const users = await top([...as, '--cluster', 'topped-eu', '--by', 'user']);
    assert.equal(users.code, 3);
    assert.match(users.stderr, /^warning: audit-kube logs of cluster "topped-eu" are not shown: /);
    assert.deepEqual((JSON.parse(users.stdout) as LogTop).totals, [{ value: 1, records: 1 }]);
    const none = await top([...as, '--cluster', 'topped-eu', '--by', 'qname']);
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.match(none.stderr, /^Error from server \(Forbidden\): /);
  });
});

describe('the API', () => {
  const API = '/apis/lma.tigera.io/v1/topped-eu/flows';
  before(() => grant(workbench, 'counter', { resources: ['topped-eu'] }));

  for (const [query, message] of [
    [{ by: 'colour' }, 'by: "colour" is not one of namespace, pod, service, policy, port, which flow logs have'],
    [
      { by: 'namespace', metric: 'requests' },
      'metric: "requests" is not one of bytes, flows, packets, denies, which flow logs have',
    ],
    [{ by: 'namespace', limit: '10001' }, 'limit: "10001" is not a number from 1 to 10000'],
    [{ by: 'namespace', since: 'yesterday' }, 'since: "yesterday" is not an RFC 3339 time'],
    [{ by: 'namespace', query: 'action ~ deny' }, /^unexpected ~ /],
  ] as const) {
    it(`refuses ${JSON.stringify(query)}`, async () => {
      const get = await userOf(workbench, { name: 'counter' });
      const { code, text } = await get(`${API}?${new URLSearchParams(query)}`);
      const status = JSON.parse(text) as { reason: string; message: string };
      assert.deepEqual([code, status.reason], [400, 'BadRequest'], text);
      if (typeof message === 'string') assert.equal(status.message, message);
      else assert.match(status.message, message);
    });
  }

  it('counts nothing else, whatever the query says', async () => {
    const get = await userOf(workbench, { name: 'counter' });
    const totals = async (query: string) => {
      const { text } = await get(`${API}?${new URLSearchParams({ by: 'namespace', query })}`);
      return (JSON.parse(text) as LogTop).totals;
    };
    assert.deepEqual(await totals('cluster = "topped-us"'), [{ value: 0, records: 0 }]);
    assert.deepEqual(
      await totals('cluster IN {"*"}'),
      (await counts(['--cluster', 'topped-eu', '--since', '24h'])).totals,
    );
    const { code } = await get(`/apis/lma.tigera.io/v1/topped-us/flows?by=namespace`);
    assert.equal(code, 403);
  });
});
