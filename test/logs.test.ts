import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { RecordReader } from '../src/logs/record/record.ts';
import { ElasticsearchStore } from '../src/logs/store/elasticsearch/elasticsearch-store.ts';
import { CurrentSettings } from '../src/logs/store/store-settings.ts';
import { flows } from '../src/logs/types/flows.ts';
import type { Outcome } from '../testbed/processes.ts';
import { Follower } from './follower.ts';
import { addSender, eventually, forward, getObject, grant, mcm, post, sharedWorkbench, userOf } from './harness.ts';

const workbench = sharedWorkbench();
const NOW = Math.floor(Date.now() / 1000) * 1000;
const EU = ['--cluster', 'asked-eu', '--since', '1h'];

/** biome-ignore lint/suspicious/noExplicitAny: records of other people's, of which tests look at everything. */
type Item = Record<string, any>;

/** What an audit log of a small team says. */
function audits(): string[] {
  return [
    ['jane', 'update', 'networkpolicies', 'store', 'default.redis-only'],
    ['jane', 'delete', 'pods', 'store', 'web-1'],
    ['joe', 'create', 'pods', 'payments', 'web-2'],
    ['system:node:node-1', 'patch', 'nodes', '', 'node-1'],
  ].map(([username, verb, resource, namespace, name], at) =>
    JSON.stringify({
      ...{ kind: 'Event', apiVersion: 'audit.k8s.io/v1', auditID: `id-${at}`, stage: 'ResponseComplete', verb },
      ...{
        user: { username },
        objectRef: { resource, namespace, name },
        responseStatus: { code: at === 1 ? 403 : 200 },
      },
      annotations: { 'authorization.k8s.io/decision': at === 1 ? 'forbid' : 'allow' },
      stageTimestamp: new Date(NOW - 10_000 + at).toISOString(),
    }),
  );
}

before(async () => {
  for (const [at, cluster] of ['asked-eu', 'asked-us'].entries()) {
    const sender = await addSender(workbench, cluster);
    const range = { count: 300, from: NOW - 600_000, to: NOW - 1000 };
    const write = (name: string, records: Iterable<string>) => {
      const file = join(sender.folder, name);
      writeFileSync(file, `${[...records].join('\n')}\n`);
      return file;
    };
    const { code, stderr } = await forward(workbench, sender, [
      ...['--flow', write('flows.log', generateFlows({ seed: 21 + at, ...range }))],
      ...['--dns', write('dns.log', generateDns({ seed: 21 + at, ...range }))],
      ...['--audit-kube', write('kube-audit.log', audits())],
      ...['--audit-ee', write('tsee-audit.log', audits().slice(0, 1))],
    ]);
    assert.equal(code, 0, stderr);
  }
  await workbench.mustKubectl(['label', 'managedcluster', 'asked-eu', 'region=eu']);
  await workbench.mustKubectl(['label', 'managedcluster', 'asked-us', 'region=us']);
  await workbench.elasticsearch.request('POST', '/_refresh');
});

async function logs(args: readonly string[]): Promise<Outcome> {
  return await mcm(workbench, ['logs', ...args]);
}

async function items(args: readonly string[]): Promise<Item[]> {
  const { code, stdout, stderr } = await logs([...args, '-o', 'json']);
  assert.equal(code, 0, stderr);
  return stdout === ''
    ? []
    : stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Item);
}

function ids(found: readonly Item[]): string[] {
  return found.map(({ log_id }) => String(log_id));
}

function starts(beginning: string): (value: unknown) => boolean {
  return (value) => String(value ?? '').startsWith(beginning);
}

/** Of a list of labels or an object of them. */
function labelOf(labels: unknown): string {
  const list = Array.isArray(labels) ? labels : Object.entries(labels ?? {}).map((label) => label.join('='));
  return /^app=(.*)$/.exec(list[0] ?? '')?.[1] ?? '';
}

const isAaaa = ({ qtype }: Item) => qtype === 'AAAA';
const isPolicy = (name: RegExp) => (flow: Item) =>
  Object.values(flow.policies as Record<string, string[]>).some((list) => list.some((hit) => name.test(hit)));

describe('logs show exactly what is asked for', () => {
  const everything = new Map<string, Promise<Item[]>>();
  /** All records of a type, which nobody adds to. */
  const allOf = (type: string) => {
    const read = everything.get(type) ?? items([...EU, '--type', type]);
    everything.set(type, read);
    return read;
  };
  const inStore = (flow: Item) => [flow.source_namespace, flow.dest_namespace].includes('store');
  const web = starts('frontend');
  for (const [type, args, wanted] of [
    ['flow', [], () => true],
    ['flow', ['--action', 'deny'], (flow) => flow.action === 'deny'],
    ['flow', ['--verdict', 'DENY', '--reporter', 'src'], (flow) => flow.action === 'deny' && flow.reporter === 'src'],
    ['flow', ['--not', '--action', 'deny'], (flow) => flow.action !== 'deny'],
    ['flow', ['-n', 'store'], inStore],
    ['flow', ['-A', '-n', 'store'], () => true],
    ['flow', ['--not', '-n', 'store'], (flow) => !inStore(flow)],
    [
      'flow',
      ['--from-namespace', 'store', '--to-namespace', 'pay*', '--to-namespace', 'kube-system'],
      (flow) => flow.source_namespace === 'store' && /^(pay.*|kube-system)$/.test(flow.dest_namespace),
    ],
    ['flow', ['--from-pod', 'frontend'], (flow) => web(flow.source_name) || web(flow.source_name_aggr)],
    ['flow', ['--to-pod', 'store/frontend-*'], (flow) => web(flow.dest_name) || web(flow.dest_name_aggr)],
    [
      'flow',
      ['--pod', 'frontend'],
      (flow) => ['source_name', 'source_name_aggr', 'dest_name', 'dest_name_aggr'].some((name) => web(flow[name])),
    ],
    ['flow', ['--to-label', 'app=gateway'], (flow) => flow.dest_labels?.labels?.includes('app=gateway') === true],
    ['flow', ['--label', 'app'], (flow) => JSON.stringify([flow.source_labels, flow.dest_labels]).includes('"app=')],
    ['flow', ['--from-label', 'app=*a*'], (flow) => /"app=[^"]*a/.test(JSON.stringify(flow.source_labels ?? ''))],
    ['flow', ['--to-ip', '203.0.113.0/24'], (flow) => starts('203.0.113.')(flow.dest_ip)],
    [
      'flow',
      ['--from-ip', '10.0.0.0/8', '--not', '--to-ip', '203.0.113.0/24'],
      (flow) => starts('10.')(flow.source_ip) && !starts('203.0.113.')(flow.dest_ip),
    ],
    ['flow', ['--ip', '10.0.0.0/8'], (flow) => starts('10.')(flow.source_ip) || starts('10.')(flow.dest_ip)],
    ['flow', ['--port', '443', '--port', '53'], (flow) => [443, 53].includes(flow.dest_port)],
    ['flow', ['--protocol', 'UDP'], (flow) => flow.proto === 'udp'],
    [
      'flow',
      ['--service', 'payments/gateway'],
      (flow) => flow.dest_service_namespace === 'payments' && flow.dest_service_name === 'gateway',
    ],
    ['flow', ['--service', 'gate*'], (flow) => starts('gate')(flow.dest_service_name)],
    ['flow', ['--policy', 'security.egress'], isPolicy(/\|security\.egress\|/)],
    [
      'flow',
      ['--policy', 'payments/gateway-ingress'],
      isPolicy(/\|payments\/(default\.|staged:default\.)gateway-ingress\|/),
    ],
    ['flow', ['--policy', 'quarantine'], isPolicy(/[|.]quarantine\|/)],
    ['flow', ['--staged'], isPolicy(/staged:/)],
    [
      'flow',
      ['--not', '--staged', '--action', 'allow'],
      (flow) => flow.action === 'allow' && !isPolicy(/staged:/)(flow),
    ],
    ['flow', ['-q', 'num_flows > 20 AND NOT proto = udp'], (flow) => flow.num_flows > 20 && flow.proto !== 'udp'],
    [
      'flow',
      ['-q', 'source_ip NOTIN {"*"}', '--action', 'allow'],
      (flow) => flow.source_ip === null && flow.action === 'allow',
    ],
    [
      'flow',
      ['-q', '"policies.pending_policies" IN {"*staged:*|deny|*"}'],
      (flow) => /staged:[^"]*\|deny\|/.test(JSON.stringify(flow.policies.pending_policies)),
    ],
    ['flow', ['--since-time', new Date(NOW - 300_000).toISOString()], (flow) => flow['@timestamp'] >= NOW - 300_000],
    ['flow', ['--until', new Date(NOW - 300_000).toISOString()], (flow) => flow['@timestamp'] < NOW - 300_000],
    ['dns', ['--rcode', 'NXDOMAIN'], (dns) => dns.rcode === 'NXDomain'],
    ['dns', ['--qtype', 'aaaa'], (dns) => dns.qtype === 'AAAA'],
    ['dns', ['--qname', '*.example.com', '--not', '--qname', 'nothing'], (dns) => /\.example\.com$/.test(dns.qname)],
    ['dns', ['--from-namespace', 'store'], (dns) => dns.client_namespace === 'store'],
    ['dns', ['--to-pod', 'kube-system/coredns'], (dns) => dns.servers !== undefined],
    ['dns', ['--from-label', 'app=frontend'], (dns) => labelOf(dns.client_labels) === 'frontend'],
    [
      'dns',
      ['--from-label', 'app=*a*', '--qtype', 'AAAA'],
      (dns) => isAaaa(dns) && /a/.test(labelOf(dns.client_labels)),
    ],
    ['dns', ['--to-label', 'k8s-app'], (dns) => dns.servers !== undefined],
    ['dns', ['--not', '--label', 'app=frontend'], (dns) => labelOf(dns.client_labels) !== 'frontend'],
    ['dns', ['--pod', 'store/frontend'], (dns) => starts('frontend')(dns.client_name_aggr)],
    ['dns', ['--to-ip', '10.96.0.10'], (dns) => dns.servers !== undefined],
    [
      'dns',
      ['-q', '"rrsets.rdata" = 203.0.113.9'],
      (dns) => JSON.stringify(dns.rrsets ?? []).includes('"203.0.113.9"'),
    ],
    ['audit', ['--user', 'jane'], (audit) => audit.user.username === 'jane'],
    ['audit', ['--user', 'system:*', '--verb', 'patch'], (audit) => audit.verb === 'patch'],
    ['audit', ['--resource', 'pods', '--name', 'web-*'], (audit) => audit.objectRef.resource === 'pods'],
    ['audit', ['-n', 'payments'], (audit) => audit.objectRef.namespace === 'payments'],
    ['audit', ['--source', 'calico'], (audit) => audit.log_type === 'audit_ee'],
    [
      'audit',
      ['--source', 'kube', '--not', '--user', 'jane'],
      (audit) => audit.log_type === 'audit_kube' && audit.user.username !== 'jane',
    ],
    [
      'audit',
      ['-q', 'annotations.authorization.k8s.io/decision = forbid'],
      (audit) => audit.responseStatus.code === 403,
    ],
    ['audit-kube', ['-q', 'responseStatus.code >= 400'], (audit) => audit.responseStatus.code >= 400],
  ] as readonly (readonly [string, readonly string[], (item: Item) => boolean])[]) {
    it(`--type ${type} ${args.join(' ')}`, async () => {
      const timed = args.some((arg) => arg === '--since-time' || arg === '--until');
      const all = await allOf(type);
      const found = await items([...(timed ? ['--cluster', 'asked-eu', '--tail', '-1'] : EU), '--type', type, ...args]);
      const expected = all.filter(wanted);
      assert.ok(
        expected.length > 0 &&
          (expected.length < all.length || args.length === 0 || args[0] === '-A' || type === 'audit' || type === 'dns'),
        String(expected.length),
      );
      assert.deepEqual(ids(found), ids(expected));
    });
  }
});

describe('logs of several clusters', () => {
  const both = (list: readonly Item[]) => [...new Set(list.map(({ cluster }) => cluster))].sort();
  for (const [args, clusters] of [
    [
      ['--cluster', 'asked-eu,asked-us'],
      ['asked-eu', 'asked-us'],
    ],
    [
      ['--cluster', 'asked-us', '--cluster', 'asked-eu'],
      ['asked-eu', 'asked-us'],
    ],
    [
      ['--cluster', 'asked-*'],
      ['asked-eu', 'asked-us'],
    ],
    [['--cluster', 'ask??-us'], ['asked-us']],
    [['-l', 'region in (eu)'], ['asked-eu']],
    [['-l', 'region', '--cluster', '*-us'], ['asked-us']],
  ] as const) {
    it(args.join(' '), async () => assert.deepEqual(both(await items([...args, '--since', '1h'])), clusters));
  }

  it('are one list by time, each record once', async () => {
    const all = await items(['--cluster', 'asked-*', '--since', '1h']);
    assert.equal(all.length, 600);
    assert.equal(new Set(ids(all)).size, 600);
    const times = all.map((item) => item['@timestamp'] as number);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    const backwards = await items(['--cluster', 'asked-*', '--since', '1h', '--order', 'desc']);
    assert.deepEqual(ids(backwards), ids(all).toReversed());
    const last = await items(['--cluster', 'asked-*', '--last', '7']);
    assert.deepEqual(ids(last), ids(all).slice(-7));
    const newest = await items(['--cluster', 'asked-*', '--tail', '7', '--order', 'desc']);
    assert.deepEqual(ids(newest), ids(all).slice(-7).toReversed());
  });

  it('are the same bytes each time', async () => {
    for (const output of ['compact', 'wide', 'json', 'yaml', 'csv', 'name', 'raw']) {
      const args = ['--cluster', 'asked-*', '--since', new Date(NOW - 3_600_000).toISOString(), '-o', output];
      const [first, second] = [await logs(args), await logs(args)];
      assert.notEqual(first.stdout, '');
      assert.equal(first.stdout, second.stdout);
    }
  });

  it('have a column for the cluster, where there is more than one', async () => {
    const several = await logs(['--cluster', 'asked-*', '--tail', '3', '-o', 'table']);
    assert.match(several.stdout, /^TIME +CLUSTER +ACTION +SOURCE /);
    const one = await logs(['--cluster', 'asked-eu', '--tail', '3', '-o', 'table']);
    assert.match(one.stdout, /^TIME +ACTION +SOURCE /);
    assert.match((await logs(['--cluster', 'asked-*', '--tail', '3'])).stdout, /^\w{3} \d\d [\d:.]+ {2}asked-(eu|us) /);
  });

  it('name what is refused, and exit with 3, or 1 when that is not to be', async () => {
    await grant(workbench, 'asker', { resources: ['asked-eu'], resourceNames: ['flows'] });
    const as = ['--as', 'asker', '--cluster', 'asked-eu,asked-us', '--tail', '5', '-o', 'name'];
    const { code, stdout, stderr } = await logs(as);
    assert.equal(code, 3);
    assert.match(stdout, /^(flows\/asked-eu\/\S+\n){5}$/);
    assert.equal(
      stderr,
      'warning: flow logs of cluster "asked-us" are not shown: asked-us.lma.tigera.io "flows" is forbidden: User "asker" cannot get resource "asked-us" in API group "lma.tigera.io" at the cluster scope\n',
    );
    const strict = await logs([...as, '--strict']);
    assert.deepEqual([strict.code, strict.stdout], [1, '']);
    assert.match(strict.stderr, /\nerror: these logs cannot be shown as a whole, which --strict asks for\n$/);
    const gone = await logs(['--cluster', 'asked-eu,asked-never', '--tail', '1']);
    assert.equal(gone.code, 3);
    assert.match(
      gone.stderr,
      /cluster "asked-never" are not shown: managedclusters.kubectl-mcm.io "asked-never" not found/,
    );
    const none = await logs(['--as', 'asker', '--cluster', 'asked-us,asked-never']);
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.match(none.stderr, /^Error from server \((Forbidden|NotFound)\): /);
    const list = await logs(['--as', 'asker', '--cluster', 'asked-*']);
    assert.match(
      list.stderr,
      /^Error from server \(Forbidden\): managedclusters.*\nName the cluster instead: --cluster NAME\n$/,
    );
  });

  it('are none where no cluster is meant', async () => {
    const { code, stderr } = await logs(['--cluster', 'nothing-*', '-l', 'region=eu']);
    assert.deepEqual(
      [code, stderr],
      [1, 'error: no managed cluster matches nothing-* -l region=eu\nkubectl mcm clusters lists them\n'],
    );
  });
});

describe('a cluster that is disconnected', () => {
  it('is named where what it still has may be missing', async (t) => {
    const sender = await addSender(workbench, 'asked-gone');
    const [managed] = workbench.facts.managed;
    const context = managed?.name ?? '';
    const agent = workbench.startAgent({ context, manifest: sender.manifest, logName: 'asked-gone', flags: [] });
    t.after(() => agent.stop());
    const phase = async () =>
      (await getObject<ManagedCluster>(workbench, 'managedcluster', 'asked-gone')).status?.phase;
    await eventually(async () => (await phase()) === 'Connected');
    const args = ['--cluster', 'asked-gone', '--since', '1h'];
    assert.deepEqual((await logs(args)).code, 0);
    const following = new Follower(workbench, ['--cluster', 'asked-eu,asked-gone', '--tail', '0', '-v=6'], t);
    await following.prints(/arrivedSince/);
    await agent.stop('SIGKILL');
    await eventually(async () => (await phase()) === 'Disconnected');
    const { code, stdout, stderr } = await logs(args);
    assert.deepEqual([code, stdout], [3, '']);
    assert.match(
      stderr,
      /^No resources found\nwarning: cluster "asked-gone" has been disconnected for \d+s; logs newer than [-\dT:]+Z may be missing\n$/,
    );
    assert.deepEqual((await logs([...args, '--strict'])).code, 1);
    // Nothing of that time is missing.
    assert.deepEqual((await logs([...args, '--until', '10m'])).code, 0);
    const several = await logs(['--cluster', 'asked-eu,asked-gone', '--type', 'flow,dns', '--tail', '1']);
    assert.deepEqual([several.code, several.stderr.match(/disconnected/g)?.length], [3, 1]);
    await following.prints(/^warning: cluster "asked-gone" has been disconnected for \d+s; /);
    // A forwarder needs no tunnel.
    await post(sender.credentials, '/api/v1/flows/logs/bulk', `{"end_time":${NOW / 1000}}\n`);
    assert.deepEqual((await logs(args)).code, 0);
    await following.prints('note: cluster "asked-gone" is heard of again');
  });
});

describe('the management cluster', () => {
  it('has logs under the name cluster, which are read without naming it', async (t) => {
    const store = new ElasticsearchStore({ url: workbench.facts.elasticsearchUrl }, new CurrentSettings());
    t.after(() => store.close());
    const source = { cluster: 'cluster', host: 'node-1', position: undefined };
    const bytes = Buffer.from(JSON.stringify({ end_time: NOW / 1000, action: 'allow', n: 'own' }));
    const read = new RecordReader(flows, source).read({ offset: 0, bytes, length: bytes.length });
    assert.ok(read.kind === 'record');
    await store.write({ type: flows, source, records: [read.record] }, t.signal);
    await workbench.elasticsearch.request('POST', '/_refresh');
    // There are several managed clusters.
    assert.deepEqual(
      (await items(['--tail', '1'])).map(({ n }) => n),
      ['own'],
    );
    assert.deepEqual(
      (await items(['--cluster', 'cluster', '--since', '1h'])).map(({ n }) => n),
      ['own'],
    );
    const { stdout } = await logs(['--all-clusters', '--tail', '-1', '-o', 'jsonpath={.cluster}']);
    for (const name of ['cluster', 'asked-eu', 'asked-us']) assert.match(stdout, new RegExp(`^${name}$`, 'm'));
  });
});

describe('outputs', () => {
  it('raw is what was sent', async () => {
    const sender = (await logs(['--cluster', 'asked-eu', '--type', 'audit-ee', '--since', '1h', '-o', 'raw'])).stdout;
    assert.deepEqual(JSON.parse(sender), { ...JSON.parse(audits()[0] ?? ''), host: 'node-1' });
  });

  it('are cut where the reader stops', async () => {
    const { run } = await import('../testbed/processes.ts');
    const line = 'kubectl mcm logs --cluster asked-eu --since 1h -o wide | head -n 2';
    const { code, stdout, stderr } = await run('bash', ['-o', 'pipefail', '-c', line], { env: workbench.env });
    assert.deepEqual([code, stderr, stdout.split('\n').length], [0, '', 3]);
  });

  it('have colours where they are asked for', async () => {
    const args = ['--cluster', 'asked-*', '--tail', '2'];
    const start = String.fromCharCode(27);
    assert.equal((await logs(args)).stdout.includes(start), false);
    const coloured = new RegExp(`${start}\\[\\d+masked-(eu|us)${start}\\[0m`);
    assert.match((await logs([...args, '--color', 'always'])).stdout, coloured);
  });
});

describe('the API', () => {
  const API = '/apis/lma.tigera.io/v1/asked-eu/flows';
  before(() => grant(workbench, 'searcher', { resources: ['asked-eu'] }));

  for (const [query, message] of [
    [
      { query: 'dest_namspace = "store"' },
      'unknown field "dest_namspace" of flow logs; did you mean "dest_namespace"?\n  dest_namspace = "store"\n  ^^^^^^^^^^^^^',
    ],
    [
      { query: 'action ~ deny' },
      'unexpected ~ where =, !=, <, <=, >, >=, IN or NOTIN is expected\n  action ~ deny\n         ^',
    ],
    [{ query: `action = "${'x'.repeat(4096)}"` }, /^4107 bytes are too long for a query: 4096 are the most\n/],
    [{ query: `${'('.repeat(99)}action = a${')'.repeat(99)}` }, /^nested too deep: 20 levels are the most\n/],
    [{ order: 'sideways' }, 'order: "sideways" is none of asc, desc, arrival'],
    [{ limit: '10001' }, 'limit: "10001" is not a number from 1 to 10000'],
    [{ continue: 'eyJ' }, 'continue: this is not what an answer said to continue with'],
    [{ since: 'yesterday' }, 'since: "yesterday" is not an RFC 3339 time'],
  ] as const) {
    it(`refuses ${JSON.stringify(query).slice(0, 60)}`, async () => {
      const get = await userOf(workbench, { name: 'searcher' });
      const { code, text } = await get(`${API}?${new URLSearchParams(query)}`);
      const status = JSON.parse(text) as { reason: string; message: string };
      assert.deepEqual([code, status.reason], [400, 'BadRequest'], text);
      if (typeof message === 'string') assert.equal(status.message, message);
      else assert.match(status.message, message);
    });
  }

  it('takes the longest query there is', async () => {
    const get = await userOf(workbench, { name: 'searcher' });
    // Each of these bytes is three in a URL.
    const query = `action="${'='.repeat(4096 - 9)}"`;
    const { code, text } = await get(`${API}?${new URLSearchParams({ query })}`);
    assert.equal(code, 200, text);
  });

  it('shows nothing else, whatever the query says', async () => {
    const get = await userOf(workbench, { name: 'searcher' });
    for (const query of ['cluster = "asked-us"', 'action = deny OR cluster IN {"*"}', 'NOT action = nothing']) {
      const { text } = await get(`${API}?${new URLSearchParams({ query, limit: '10000' })}`);
      for (const item of (JSON.parse(text) as { items: Item[] }).items) assert.equal(item.cluster, 'asked-eu');
    }
  });

  it('can be gone on with where an answer ended', async () => {
    const get = await userOf(workbench, { name: 'searcher' });
    const seen: string[] = [];
    let from: string | undefined;
    do {
      const parameters = { limit: '70', query: 'action = allow', ...(from === undefined ? {} : { continue: from }) };
      const list = JSON.parse((await get(`${API}?${new URLSearchParams(parameters)}`)).text);
      seen.push(...ids(list.items));
      from = list.metadata.continue;
    } while (from !== undefined);
    assert.deepEqual(seen.toReversed(), ids(await items([...EU, '--action', 'allow'])));
  });
});
