import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { auditEe, auditKube } from '../../logs/types/audit.ts';
import { dns } from '../../logs/types/dns.ts';
import { flows } from '../../logs/types/flows.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import { waf } from '../../logs/types/waf.ts';
import { coloured } from './colours.ts';
import { newPrinter, type PrintOptions } from './log-printer.ts';
import type { FoundItem } from './log-reads.ts';

const NOW = Date.UTC(2026, 10, 22, 18, 35);

const OPTIONS: PrintOptions = {
  output: 'compact',
  types: [flows],
  severalClusters: false,
  headers: true,
  colours: false,
  timeFormat: undefined,
  utc: true,
  numeric: false,
  width: { asked: undefined, terminal: () => undefined, mark: '…' },
  now: () => NOW,
};

function found(type: LogType, cluster: string, time: string, record: object): FoundItem {
  const at = Date.parse(`2026-11-22T${time}Z`);
  const ours = { cluster, ingested: at + 900, '@timestamp': at, log_type: type.name, log_id: `${cluster}/node-1/0/1` };
  return { cluster, type, item: { ...record, ...ours } };
}

const DENIED = {
  ...{ end_time: 1795372264, action: 'deny', reporter: 'dst', proto: 'tcp', dest_port: 6379, num_flows: 12 },
  ...{ source_namespace: 'store', source_name: '-', source_name_aggr: 'frontend-754cdbf884-*', source_ip: null },
  ...{
    dest_namespace: 'store',
    dest_name: '-',
    dest_name_aggr: 'redis-*',
    bytes_in: 720,
    bytes_out: 0,
    host: 'node-1',
  },
  ...{ dest_service_namespace: 'store', dest_service_name: 'redis' },
  policies: { enforced_policies: ['0|default|store/default.redis-only|deny|-1'] },
};
const OUTSIDE = {
  ...{ end_time: 1795372279, action: 'deny', reporter: 'src', proto: 'tcp', dest_port: 443, num_flows: 3 },
  ...{ source_namespace: 'store', source_name: 'checkout-5d9894c7-x2v4q', source_ip: '10.1.4.7' },
  ...{ dest_namespace: '-', dest_name: '-', dest_name_aggr: 'pub', dest_ip: '203.0.113.9', host: 'node-2' },
  policies: { enforced_policies: ['0|security|security.egress-deny|deny|-1'] },
};
const FLOWS = [found(flows, 'prod-eu', '18:31:04', DENIED), found(flows, 'prod-us', '18:31:19', OUTSIDE)];

const NXDOMAIN = found(dns, 'prod-eu', '18:30:41.218', {
  ...{ rcode: 'NXDomain', qtype: 'A', qname: 'redis.stor.svc.cluster.local', count: 40, latency_mean: 1_200_000 },
  ...{ client_namespace: 'store', client_name: 'frontend-754cdbf884-k2x9p', host: 'node-1' },
  servers: [{ ip: '10.96.0.10', name: 'coredns', namespace: 'kube-system' }],
});

const CHANGE = found(auditEe, 'prod-eu', '18:02:11.304', {
  user: { username: 'jane' },
  verb: 'update',
  objectRef: {
    resource: 'networkpolicies',
    apiGroup: 'projectcalico.org',
    namespace: 'store',
    name: 'default.redis-only',
  },
  responseStatus: { code: 200 },
  sourceIPs: ['10.0.0.7'],
});

function printed(items: readonly FoundItem[], options: Partial<PrintOptions> = {}): string {
  return newPrinter({ ...OPTIONS, ...options })(items);
}

const DOCS = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'logs.md'), 'utf8');

describe('records', () => {
  for (const [what, items, options, text] of [
    [
      'compact',
      FLOWS,
      {},
      `Nov 22 18:31:04.000  deny  store/frontend-754cdbf884-* -> store/redis-*           tcp/6379  x12  by default/store.redis-only (ingress, dst)
Nov 22 18:31:19.000  deny  store/checkout-5d9894c7-x2v4q -> 203.0.113.9 (public)  tcp/443   x3   by security/egress-deny (egress, src)
`,
    ],
    [
      'compact, of several clusters',
      FLOWS,
      { severalClusters: true },
      `Nov 22 18:31:04.000  prod-eu  deny  store/frontend-754cdbf884-* -> store/redis-*           tcp/6379  x12  by default/store.redis-only (ingress, dst)
Nov 22 18:31:19.000  prod-us  deny  store/checkout-5d9894c7-x2v4q -> 203.0.113.9 (public)  tcp/443   x3   by security/egress-deny (egress, src)
`,
    ],
    [
      'compact, of several types',
      [NXDOMAIN, FLOWS[0]],
      { types: [flows, dns] },
      `Nov 22 18:30:41.218  NXDomain  store/frontend-754cdbf884-k2x9p               A redis.stor.svc.cluster.local  x40  1.2ms  via kube-system/coredns
Nov 22 18:31:04.000  deny      store/frontend-754cdbf884-* -> store/redis-*  tcp/6379                        x12  by default/store.redis-only (ingress, dst)
`,
    ],
    [
      'compact with addresses',
      FLOWS,
      { numeric: true },
      `Nov 22 18:31:04.000  deny  store/frontend-754cdbf884-* -> store/redis-*  tcp/6379  x12  by default/store.redis-only (ingress, dst)
Nov 22 18:31:19.000  deny  10.1.4.7 -> 203.0.113.9                       tcp/443   x3   by security/egress-deny (egress, src)
`,
    ],
    [
      'compact in so many columns',
      FLOWS,
      { width: { asked: 100, terminal: () => 20, mark: '…' } },
      `Nov 22 18:31:04.000  deny  store/frontend-754cdbf884-* -> store/redis-*           tcp/6379  x12  by…
Nov 22 18:31:19.000  deny  store/checkout-5d9894c7-x2v4q -> 203.0.113.9 (public)  tcp/443   x3   by…
`,
    ],
    [
      'table',
      FLOWS,
      { output: 'table' },
      `TIME                       ACTION   SOURCE                          DESTINATION            PROTO   PORT   FLOWS   REPORTER   POLICY
2026-11-22T18:31:04.000Z   deny     store/frontend-754cdbf884-*     store/redis-*          tcp     6379   12      dst        default/store.redis-only
2026-11-22T18:31:19.000Z   deny     store/checkout-5d9894c7-x2v4q   203.0.113.9 (public)   tcp     443    3       src        security/egress-deny
`,
    ],
    [
      'wide',
      [CHANGE],
      { output: 'wide', types: [auditEe, auditKube] },
      `TIME                       CLUSTER   USER   VERB     RESOURCE                            NAMESPACE   NAME                 CODE   SOURCE     USER AGENT   REASON
2026-11-22T18:02:11.304Z   prod-eu   jane   update   networkpolicies.projectcalico.org   store       default.redis-only   200    10.0.0.7   <none>       <none>
`,
    ],
    [
      'table, without headers, by age',
      FLOWS,
      { output: 'table', headers: false, timeFormat: 'age' },
      `3m56s   deny   store/frontend-754cdbf884-*     store/redis-*          tcp   6379   12   dst   default/store.redis-only
3m41s   deny   store/checkout-5d9894c7-x2v4q   203.0.113.9 (public)   tcp   443    3    src   security/egress-deny
`,
    ],
    [
      'csv',
      FLOWS,
      { output: 'csv', timeFormat: 'unix' },
      `TIME,CLUSTER,ACTION,SOURCE,DESTINATION,PROTO,PORT,FLOWS,REPORTER,POLICY,SOURCE IP,DEST IP,SERVICE,BYTES IN,BYTES OUT,NODE
1795372264.000,prod-eu,deny,store/frontend-754cdbf884-*,store/redis-*,tcp,6379,12,dst,default/store.redis-only,,,store/redis,720,0,node-1
1795372279.000,prod-us,deny,store/checkout-5d9894c7-x2v4q,203.0.113.9 (public),tcp,443,3,src,security/egress-deny,10.1.4.7,203.0.113.9,,,,node-2
`,
    ],
    ['name', FLOWS, { output: 'name' }, 'flows/prod-eu/node-1/0/1\nflows/prod-us/node-1/0/1\n'],
    [
      'jsonpath',
      FLOWS,
      { output: 'jsonpath={.action}{"\\t"}{.policies.enforced_policies[0]} at {[\'@timestamp\']}{.nothing}' },
      `deny\t0|default|store/default.redis-only|deny|-1 at 1795372264000
deny\t0|security|security.egress-deny|deny|-1 at 1795372279000
`,
    ],
    ['jsonpath, with an end of its own', [NXDOMAIN], { output: 'jsonpath={.servers[*].ip}{"\\n"}' }, '10.96.0.10\n'],
    [
      'custom-columns',
      FLOWS,
      { output: 'custom-columns=FROM:.source_ip,TO:.dest_ip,PORT:.dest_port' },
      `FROM       TO            PORT
<none>     <none>        6379
10.1.4.7   203.0.113.9   443
`,
    ],
  ] as const) {
    it(`as ${what}`, () => {
      assert.equal(printed(items as readonly FoundItem[], options), text);
      if (!what.includes(','))
        assert.ok(DOCS.includes(text) || what === 'jsonpath', `docs/logs.md should have\n${text}`);
    });
  }

  it('as json, a line each, and raw as they were sent', () => {
    const [line = '', ...more] = printed(FLOWS, { output: 'json' }).trimEnd().split('\n');
    assert.deepEqual(JSON.parse(line), FLOWS[0]?.item);
    assert.equal(more.length, 1);
    assert.equal(printed(FLOWS, { output: 'jsonl' }), `${[line, ...more].join('\n')}\n`);
    assert.deepEqual(JSON.parse(printed(FLOWS.slice(0, 1), { output: 'raw' })), DENIED);
  });

  it('as yaml, a document each, however they come', () => {
    const print = newPrinter({ ...OPTIONS, output: 'yaml' });
    const text = print(FLOWS.slice(0, 1)) + print(FLOWS.slice(1));
    assert.equal(text, printed(FLOWS, { output: 'yaml' }));
    assert.match(text, /^end_time: 1795372264\naction: deny\n.*\n---\nend_time: 1795372279\n/s);
  });

  it('keep their columns from lot to lot', () => {
    const print = newPrinter({ ...OPTIONS, output: 'table' });
    const second = print(FLOWS.slice(1));
    const first = print(FLOWS.slice(0, 1));
    assert.equal(second.indexOf('DESTINATION'), first.split('\n')[0]?.indexOf('store/redis-*') ?? 0);
    assert.doesNotMatch(first, /TIME/);
  });

  it('show clusters in colours that never change, and take no room', () => {
    const plain = printed(FLOWS, { severalClusters: true });
    const painted = printed(FLOWS, { severalClusters: true, colours: true });
    assert.ok(painted.includes(`${coloured('prod-eu')}  deny`));
    assert.notEqual(coloured('prod-eu').replace('prod-eu', ''), coloured('prod-us').replace('prod-us', ''));
    const unpainted = ['prod-eu', 'prod-us'].reduce((text, name) => text.replaceAll(coloured(name), name), painted);
    assert.equal(unpainted, plain);
    assert.equal(painted, printed(FLOWS, { severalClusters: true, colours: true }));
  });

  it('with addresses, also where the ends are objects of a list or of the record', () => {
    assert.match(
      printed([NXDOMAIN], { types: [dns], numeric: true }),
      / {2}store\/frontend-754cdbf884-k2x9p .* via 10\.96\.0\.10\n$/,
    );
    const client = { ...NXDOMAIN, item: { ...NXDOMAIN.item, client_ip: '10.1.4.8' } };
    assert.match(
      printed([client], { output: 'table', types: [dns], numeric: true }),
      / {3}NXDomain {3}10\.1\.4\.8 {3}A /,
    );
    const attack = found(waf, 'prod-eu', '18:31:04', {
      ...{ method: 'GET', path: '/x', source: { ip: '203.0.113.9', name: '-', hostname: 'scan.example' } },
      destination: { ip: '10.1.4.7', namespace: 'store', name: 'web-1' },
    });
    const named = printed([attack], { types: [waf] });
    assert.match(named, /GET {2}scan\.example -> store\/web-1 {2}\/x\n$/);
    assert.match(printed([attack], { types: [waf], numeric: true }), /GET {2}203\.0\.113\.9 -> 10\.1\.4\.7 {2}\/x\n$/);
    assert.deepEqual(attack.item.destination, { ip: '10.1.4.7', namespace: 'store', name: 'web-1' });
    // Nothing has addresses there, and the record itself is never changed.
    assert.equal(printed([CHANGE], { types: [auditEe], numeric: true }), printed([CHANGE], { types: [auditEe] }));
    assert.equal(printed(FLOWS, { output: 'json', numeric: true }), printed(FLOWS, { output: 'json' }));
    assert.match(printed(FLOWS, { output: 'csv', numeric: true }), /,deny,10\.1\.4\.7,203\.0\.113\.9,tcp,443,3,/);
  });

  it('are cut at the terminal where nobody has said and all of it was not asked for', () => {
    const widths = (options: Partial<PrintOptions>) =>
      printed(FLOWS, options)
        .trimEnd()
        .split('\n')
        .map(({ length }) => length);
    const terminal = { asked: undefined, terminal: () => 60, mark: '...' };
    for (const output of ['compact', 'table']) {
      assert.deepEqual(new Set(widths({ output, width: terminal })), new Set([60]), output);
      assert.equal(printed(FLOWS, { output, width: { ...terminal, asked: 0 } }), printed(FLOWS, { output }));
      assert.match(printed(FLOWS, { output, width: terminal }), /^(.{57}\.{3}\n)+$/);
    }
    for (const output of ['wide', 'custom-columns=A:.policies,B:.policies', 'csv', 'json', 'yaml', 'raw', 'name']) {
      assert.equal(printed(FLOWS, { output, width: terminal }), printed(FLOWS, { output }), output);
    }
    for (const output of ['wide', 'custom-columns=A:.policies,B:.policies']) {
      assert.ok(Math.max(...widths({ output, width: { ...terminal, asked: 70 } })) === 70, output);
    }
    // A window becomes smaller while logs are followed.
    let columns = 80;
    const print = newPrinter({ ...OPTIONS, width: { ...terminal, terminal: () => columns } });
    assert.equal(print(FLOWS.slice(0, 1)).length, 81);
    columns = 40;
    assert.equal(print(FLOWS.slice(1)).length, 41);
  });

  it('steer no terminal in any format', () => {
    const evil = found(flows, 'prod-eu', '18:31:04', { action: 'a\u001b[2J\u009b1m\u202e', source_name: 'x\ny' });
    for (const output of [
      'compact',
      'wide',
      'csv',
      'yaml',
      'json',
      'raw',
      'jsonpath={.action}',
      'custom-columns=A:.action',
    ]) {
      const text = printed([evil], { output });
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\u202e]/u, output);
    }
  });

  it('of odd times are shown all the same', () => {
    const odd = { ...found(flows, 'prod-eu', '18:31:04', {}) };
    for (const time of [Number.NaN, 1e300, -1]) {
      assert.notEqual(printed([{ ...odd, item: { ...odd.item, '@timestamp': time } }], { output: 'table' }), '');
    }
  });

  for (const [output, types, message] of [
    ['xml', [flows], /^error: invalid argument "xml" for "--output" flag: must be one of compact, wide, table, json, /],
    ['jsonpath', [flows], /^error: invalid argument "jsonpath" for "--output" flag: must be one of /],
    ['jsonpath={.a', [flows], /^error: error parsing jsonpath \{\.a: a \{ has no \}$/],
    ['jsonpath={range .a[*]}', [flows], /range is not for logs/],
    ['jsonpath={.a[?(@.b)]}', [flows], /paths are written as/],
    ['custom-columns=A', [flows], /^error: unexpected custom-columns spec: A, expected <header>:<json-path-expr>$/],
    ['table', [flows, dns], /^error: table shows one type of log at a time, and flow, dns have different columns$/],
  ] as const) {
    it(`are not shown as ${output} of ${types.length}`, () => {
      assert.throws(
        () => printed([], { output, types }),
        (error: Error) => message.test(error.message),
      );
    });
  }
});
