import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ManagedCluster } from '../../clusters/managed-cluster.ts';
import { failure, StatusError } from '../../kube/status.ts';
import type { BacklogItem, ManagerItem, ManagerStatus } from '../../manager/manager-status.ts';
import type { Part } from './plane.ts';
import { exitCodeOf, planeStatus } from './plane-status.ts';
import { statusReport } from './status-report.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const GIB = 1024 ** 3;
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

function manager(status: Partial<ManagerStatus> = {}): ManagerItem {
  return {
    apiVersion: 'logs.kubectl-mcm.io/v1',
    kind: 'Manager',
    metadata: { name: 'mgmt-1:9449', creationTimestamp: ago(90_000) },
    status: {
      version: '0.1.0',
      checks: [{ name: 'log-store', ok: true, message: '' }],
      certificateExpires: '2027-11-01T00:00:00Z',
      store: {
        urls: ['https://es.example.com:9200'],
        version: '9.5.3',
        health: 'green',
        dataNodes: 3,
        shardsPerNode: 1000,
        shards: 412,
        answersAnybody: false,
      },
      layout: { layout: 'per-cluster', prefix: 'tigera_secure_ee_', shards: 1 },
      retention: { lastRound: ago(34) },
      refusedSettings: [],
      spool: { size: 10 * GIB, used: 0, free: 9 * GIB, records: 0, bytes: 0, backlog: [] },
      turnedAway: [],
      deadLetters: { records: 0, counts: [] },
      ...status,
    },
  };
}

function cluster(name: string, condition: { status: 'True' | 'False' | 'Unknown'; reason: string }): ManagedCluster {
  const message = `why ${name} is so`;
  const conditions = [{ type: 'ManagedClusterConnected', ...condition, message, lastTransitionTime: ago(60) }];
  const lastSeen = condition.reason === 'Receiving' ? { lastSeen: ago(1) } : {};
  return {
    apiVersion: 'kubectl-mcm.io/v1',
    kind: 'ManagedCluster',
    metadata: { name },
    spec: {},
    status: { conditions, connection: { since: ago(7_200) }, ...lastSeen },
  };
}

function read(managers: Part<ManagerItem>, clusters: readonly ManagedCluster[] = []) {
  const status = planeStatus({ managers, clusters: { items: clusters } }, NOW);
  return { ...status, reasons: status.problems.map(({ reason }) => reason), code: exitCodeOf(status) };
}

const forbidden = new StatusError(failure(403, 'Forbidden', 'managers is forbidden'));

describe('the status of the management plane', () => {
  it('is one screen, whose last line says that nothing is wrong', () => {
    const items = [manager()];
    const status = planeStatus({ managers: { items }, clusters: { items: [] } }, NOW);
    const lines = [
      'Manager:       mgmt-1:9449, v0.1.0, ready, up for 25h',
      'Clusters:      none (kubectl mcm add-cluster)',
      'Store:         Elasticsearch 9.5.3 at https://es.example.com:9200, green, 412 of 3000 shards',
      'Layout:        per-cluster, prefix tigera_secure_ee_',
      'Retention:     looked after old days 34s ago',
      'Spool:         0B of 10GiB used, nothing waits',
      'Dead letters:  0 in the last 24 hours',
      '',
      'Nothing is wrong.',
    ];
    assert.equal(statusReport(status, NOW), `${lines.join('\n')}\n`);
    assert.equal(exitCodeOf(status), 0);
  });

  it('names each cause once, with some of its places and what to do', () => {
    const backlog = Array.from({ length: 12 }, (_, n): BacklogItem => {
      const message = `tigera_secure_ee_flows.c${n}.20261123: closed`;
      const heldBack = [{ reason: 'IndexClosed', message, tried: ago(7) } as const];
      return { cluster: `c${n}`, type: 'flows', records: 10, bytes: 2048, oldest: ago(90), heldBack };
    });
    const spool = { size: 10 * GIB, used: 12 * 8192, free: 9 * GIB, records: 120, bytes: 24_576, backlog };
    const status = planeStatus({ managers: { items: [manager({ spool })] }, clusters: { items: [] } }, NOW);
    const text = statusReport(status, NOW);
    const rows = (from: number, to: number, row: (n: number) => string) =>
      Array.from({ length: to - from }, (_, at) => row(from + at)).join('');
    assert.ok(
      text.includes(`
Spool:         96KiB of 10GiB used, 120 records (24KiB) of 12 clusters wait, the oldest for 90s
Dead letters:  0 in the last 24 hours

CLUSTER   TYPE   WAITING   SIZE     OLDEST   HELD BACK BY
${rows(0, 10, (n) => `c${n}        flow   10        2.0KiB   90s      IndexClosed\n`)}and 2 more (-o json has all)

error: an index is closed
${rows(0, 5, (n) => `  c${n}, flow: tigera_secure_ee_flows.c${n}.20261123: closed (tried 7s ago)\n`)}  and 7 more (-o json has all)
  To do: open it: POST /INDEX/_open

1 error, 0 warnings
`),
      text,
    );
  });

  it('says of a store that is away so once, whatever waits for it', () => {
    const trouble = {
      reason: 'Unreachable',
      message: 'Elasticsearch cannot be reached: connect ECONNREFUSED',
    } as const;
    const heldBack = [{ ...trouble, tried: ago(1) }];
    const backlog = [{ cluster: 'a', type: 'dns', records: 1, bytes: 99, oldest: ago(5), heldBack } as const];
    const spool = { size: GIB, used: 8192, free: GIB, records: 1, bytes: 99, backlog };
    const checks = [{ name: 'log-store', optional: true, ok: false, message: trouble.message } as const];
    const store = { urls: ['http://a', 'http://b'], trouble };
    const { reasons, code } = read({ items: [manager({ spool, checks, store, retention: { error: 'away' } })] });
    assert.deepEqual([reasons, code], [['Unreachable'], 1]);
  });

  for (const [what, status, reasons, code] of [
    ['an open store', { store: { urls: [], answersAnybody: true } }, ['StoreOpen'], 0],
    ['a yellow one', { store: { urls: [], health: 'yellow' } }, ['StoreYellow'], 0],
    ['a red one', { store: { urls: [], health: 'red' } }, ['StoreRed'], 1],
    [
      'one with 91 % of its shards',
      { store: { urls: [], dataNodes: 2, shardsPerNode: 50, shards: 91 } },
      ['ShardsNearLimit'],
      0,
    ],
    ['one with 90 %', { store: { urls: [], dataNodes: 2, shardsPerNode: 50, shards: 90 } }, [], 0],
    ['settings that are not in order', { refusedSettings: ['retention: not YAML'] }, ['SettingsRefused'], 0],
    ['days that cannot be deleted', { retention: { error: 'red' } }, ['DaysNotLookedAfter'], 1],
    [
      'indices of tomorrow that cannot be created',
      { retention: { tomorrow: { reason: 'ShardLimit', message: 'no more shards' } } },
      ['TomorrowNotCreated'],
      0,
    ],
    [
      'those, and the shards that there may be, once',
      {
        store: { urls: [], dataNodes: 1, shardsPerNode: 50, shards: 50 },
        retention: { tomorrow: { reason: 'ShardLimit', message: 'no more shards' } },
      },
      ['TomorrowNotCreated'],
      0,
    ],
    ['a port that is not open', { checks: [{ name: 'cluster-port', ok: false, message: 'x' }] }, ['NotReady'], 1],
    ['a certificate with 29 days', { certificateExpires: '2026-12-22T12:00:00Z' }, ['CertificateExpires'], 0],
    ['a certificate with 31 days', { certificateExpires: '2026-12-24T12:00:00Z' }, [], 0],
    ['one that has run out', { certificateExpires: '2026-11-23T12:00:00Z' }, ['CertificateExpired'], 1],
    [
      'a spool that is nearly full',
      { spool: { size: 100, used: 81, free: 19, records: 0, bytes: 0, backlog: [] } },
      ['SpoolFilling'],
      0,
    ],
    [
      'a spool on a broken disk',
      { spool: { size: 100, used: 1, free: 99, trouble: 'EIO', records: 0, bytes: 0, backlog: [] } },
      ['SpoolTakesNothing'],
      1,
    ],
  ] as const satisfies (readonly [string, Partial<ManagerStatus>, readonly string[], number])[]) {
    it(`tells of ${what}: ${reasons.join() || 'nothing'}`, () => {
      const found = read({ items: [manager(status)] });
      assert.deepEqual([found.reasons, found.code], [reasons, code]);
    });
  }

  it('counts clusters by their state, and names those that are not as they should be', () => {
    const clusters = [
      cluster('a', { status: 'True', reason: 'Connected' }),
      cluster('b', { status: 'False', reason: 'Disconnected' }),
      cluster('c', { status: 'Unknown', reason: 'ManagerGone' }),
      cluster('d', { status: 'Unknown', reason: 'NoTunnel' }),
      cluster('e', { status: 'Unknown', reason: 'Receiving' }),
    ];
    const status = read({ items: [manager()] }, clusters);
    assert.deepEqual(status.clusters?.states, { connected: 1, disconnected: 1, unknown: 1, receiving: 1, pending: 1 });
    assert.deepEqual(
      status.problems.map(({ level, reason, places }) => [level, reason, ...places]),
      [
        ['error', 'Disconnected', 'b for 120m: why b is so'],
        ['warning', 'ManagerGone', 'c: why c is so'],
      ],
    );
    assert.match(
      statusReport(status, NOW),
      /^Clusters: +5: 1 connected, 1 disconnected, 1 in a state that is not known, 1 sending logs without a tunnel, 1 not heard of yet$/m,
    );
  });

  it('is partial where a right is missing, and an error where no manager answers', () => {
    const partial = read({ failure: forbidden });
    assert.deepEqual([partial.reasons, partial.code], [[], 3]);
    assert.deepEqual(partial.notRead, [{ part: 'managers', message: forbidden.message }]);
    assert.match(statusReport(partial, NOW), /^Manager: +<not read>$/m);
    const nothing = planeStatus({ managers: { failure: forbidden }, clusters: { failure: forbidden } }, NOW);
    assert.deepEqual([nothing.notRead.length, exitCodeOf(nothing)], [2, 1]);
    const gone = read({ failure: new StatusError(failure(503, 'ServiceUnavailable', 'refused')) });
    assert.deepEqual([gone.reasons, gone.code, gone.notRead], [['NoManager'], 1, []]);
    assert.match(statusReport(gone, NOW), /^Manager: +does not answer\nClusters: .* \(as a manager last said\)$/m);
  });

  it('shows what others have written, and sends none of it to a terminal', () => {
    const trouble = { reason: 'Unknown', message: 'because \u001b[2J' } as const;
    const status = read({ items: [manager({ store: { urls: [], trouble } })] });
    const text = statusReport(status, NOW);
    assert.ok(text.includes('because \\x1b[2J'), text);
  });
});
