import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateDns } from '../../fixtures/generate-dns.ts';
import { generateFlows } from '../../fixtures/generate-flows.ts';
import { Random } from '../../fixtures/random.ts';
import { groupWords, type LogAggregation, metricWords } from '../../src/logs/query/aggregation.ts';
import type { Filter } from '../../src/logs/query/filter.ts';
import { parseFilter } from '../../src/logs/query/parse-filter.ts';
import { printFilter } from '../../src/logs/query/print-filter.ts';
import { dayOf } from '../../src/logs/record/time.ts';
import { DEFAULT_LAYOUT, LayoutHistory } from '../../src/logs/store/elasticsearch/layout.ts';
import { startOf } from '../../src/logs/store/retention.ts';
import { auditEe, auditKube } from '../../src/logs/types/audit.ts';
import { dns } from '../../src/logs/types/dns.ts';
import { Fields } from '../../src/logs/types/field.ts';
import { flows } from '../../src/logs/types/flows.ts';
import type { LogType, StoredRecord } from '../../src/logs/types/log-type.ts';
import type { Elasticsearch } from '../../testbed/elasticsearch/elasticsearch.ts';
import type { ElasticsearchMajor } from '../../testbed/elasticsearch/installation.ts';
import { RandomFilters } from './random-filter.ts';
import { Bench, recordsOf } from './store-bench.ts';
import type { Subject } from './subject.ts';
import { counted } from './top-oracle.ts';

/** Two days, each with an index of its own. */
const NOON = startOf(dayOf(Date.now() - 86_400_000)) + 43_200_000;
const DAY = 86_400_000;

const CLUSTERS = ['asked', 'other'] as const;

/** Of each type, word and metric. */
const FILTERS: Readonly<Record<ElasticsearchMajor, number>> = { 9: 2, 8: 1 };

const NAMESPACES = ['store', 'payments', '-', 'kube-system', '', ['store', 'payments']];
const NAMES = ['frontend-754cdbf884-*', 'redis-*', 'pub', '-', 'gateway-58f9-*'];
const HITS = [
  '0|security|security.quarantine|pass|1',
  '1|default|store/default.redis-only|deny|-1',
  '0|default|store/default.redis-only|deny|3',
  '2|default|store/default.redis-only|allow|0',
  '0|default|store/default.staged:redis-only|deny|0',
  '0|__PROFILE__|__PROFILE__.kns.store|allow|0',
  'nonsense',
  'a|b|c|allow|1|2',
];

/** A flow with something odd in it: lists, networks, hosts, reports of nobody. */
function oddFlow(random: Random, time: number): string {
  const end = (side: string) => ({
    [`${side}_namespace`]: random.pick(NAMESPACES),
    [`${side}_name_aggr`]: random.pick(NAMES),
    [`${side}_type`]: random.pick(['wep', 'wep', 'wep', 'net', 'ns', 'hep', 'new', null]),
  });
  const flow: Record<string, unknown> = {
    ...{ end_time: Math.floor(time / 1000), action: random.pick(['allow', 'allow', 'deny', 'pass']) },
    ...{ reporter: random.pick(['src', 'dst', 'dst', 'fwd', null]), proto: random.pick(['tcp', 'udp', '-']) },
    ...end('source'),
    ...end('dest'),
    ...{ dest_service_namespace: random.pick(NAMESPACES), dest_service_name: random.pick(['redis', 'gateway', '-']) },
    dest_port: random.pick([80, 443, 6379, null, '-']),
    policies: { enforced_policies: HITS.filter(() => random.chance(0.3)), pending_policies: [random.pick(HITS)] },
  };
  for (const name of ['bytes_in', 'bytes_out', 'packets_in', 'packets_out', 'num_flows_started']) {
    if (random.chance(0.8)) flow[name] = random.between(0, 5_000_000);
  }
  return JSON.stringify(flow);
}

function audit(random: Random, time: number): string {
  const stage = random.pick(['RequestReceived', 'ResponseComplete', 'ResponseComplete', 'Panic', undefined]);
  const username = random.pick(['jane', 'joe', 'system:node:a', undefined]);
  const namespace = random.pick(['store', 'payments', undefined]);
  const verb = random.pick(['get', 'update', 'delete']);
  return JSON.stringify({
    ...{ auditID: `id-${random.between(0, 1e9)}`, stage, verb, stageTimestamp: new Date(time).toISOString() },
    ...{ user: { username }, objectRef: { resource: 'pods', namespace } },
  });
}

function linesOf(type: LogType, random: Random, seed: number): string[] {
  const range = { seed, count: 120, from: NOON - DAY, to: NOON };
  const time = () => random.between(NOON - DAY, NOON);
  if (type === flows) return [...generateFlows(range), ...Array.from({ length: 200 }, () => oddFlow(random, time()))];
  if (type === dns) return [...generateDns(range)];
  return Array.from({ length: 80 }, () => audit(random, time()));
}

/** Counts exactly what there is, in groups. */
export function counting({ server, major, layout }: Subject): void {
  let bench: Bench;
  const stored = new Map<LogType, readonly StoredRecord[]>();
  before(async () => {
    bench = new Bench(server(), new LayoutHistory([{ from: '', ...DEFAULT_LAYOUT, layout, prefix: `c_${layout}_` }]));
    const random = new Random(major);
    for (const type of [flows, dns, auditEe, auditKube]) {
      const records: StoredRecord[] = [];
      for (const [at, cluster] of CLUSTERS.entries()) {
        const { refused } = await bench.write(cluster, linesOf(type, random, major + at), type);
        assert.deepEqual(refused, []);
        records.push(...(await bench.find(cluster, {}, [type])).records.map(({ record }) => record));
      }
      stored.set(type, records);
    }
  });
  after(() => bench.store.close());

  async function check(asked: LogAggregation): Promise<number> {
    const { since = 0, until = Number.POSITIVE_INFINITY } = asked;
    const records = asked.types.flatMap((type) => stored.get(type) ?? []);
    const looked = records.filter(({ cluster, '@timestamp': time }) => {
      return asked.clusters.includes(String(cluster)) && Number(time) >= since && Number(time) < until;
    });
    const filter = asked.filter === undefined ? '' : printFilter(asked.filter);
    const what = `${asked.types[0]?.name} ${asked.by} ${asked.metric} ${asked.clusters} ${filter}`;
    const answer = await bench.store.aggregate(asked, AbortSignal.timeout(30_000));
    assert.deepEqual(answer, counted(asked, looked), what);
    return answer.rows.length;
  }

  /** How many rows all of the answers have together. */
  async function checkAll(asked: readonly LogAggregation[]): Promise<number> {
    const rows: number[] = [];
    for (let at = 0; at < asked.length; at += 6) rows.push(...(await Promise.all(asked.slice(at, at + 6).map(check))));
    return rows.reduce((sum, count) => sum + count, 0);
  }

  for (const types of [[flows], [dns], [auditEe], [auditEe, auditKube]]) {
    const label = types.map((type) => type.label).join(' and ');
    for (const by of groupWords(types)) {
      it(`of ${label} logs by ${by} says what there is`, async () => {
        const random = new Random(major);
        const filters = new RandomFilters(random, Fields.of(types));
        for (const metric of metricWords(types)) {
          const all = { types, clusters: CLUSTERS, since: undefined, until: undefined, by, metric, filter: undefined };
          const everything = { ...all, limit: 10_000 };
          assert.ok((await check(everything)) > 0, metric);
          await checkAll([
            { ...all, clusters: ['asked'], limit: 2 },
            { ...all, since: NOON - DAY / 2, until: NOON - DAY / 4, limit: 3 },
            ...Array.from({ length: FILTERS[major] }, () => ({
              ...{ ...all, filter: filters.filter(), limit: random.pick([1, 3, 10_000]) },
            })),
          ]);
        }
      });
    }
  }

  for (const text of [
    'source_namespace = store',
    'dest_port = 443 OR proto = udp',
    'action = deny',
    'NOT action = allow',
    'reporter = dst',
    '"policies.enforced_policies" IN {"*redis-only*"}',
    'source_namespace = store AND host = node-1',
    'dest_domains IN {"*"} OR dest_namespace = store',
  ]) {
    it(`of what ${text} finds counts no flow twice`, async () => {
      const filter = parseFilter(text, Fields.of([flows]), 'flow logs') as Filter;
      const all = { types: [flows], clusters: CLUSTERS, since: undefined, until: undefined, filter, limit: 5 };
      const asked = groupWords([flows]).flatMap((by) => metricWords([flows]).map((metric) => ({ ...all, by, metric })));
      assert.ok((await checkAll(asked)) > 0);
    });
  }
}

/** How far counting goes; takes long to try. */
export function limits(server: () => Elasticsearch): void {
  const end_time = new Date(NOON).toISOString();
  const line = (n: number) => JSON.stringify({ end_time, qname: `x${n}.example.com`, count: n });
  const all = { types: [dns], since: undefined, until: undefined, filter: undefined, limit: 2 };
  let bench: Bench;
  before(() => {
    bench = new Bench(server(), new LayoutHistory());
  });
  after(() => bench.store.close());

  it('refuses more groups than it can compare, and counts as many as it can', async (t) => {
    for (let from = 0; from < 30_000; from += 2_500) {
      const lines = Array.from({ length: 2_500 }, (_, n) => line(from + n));
      await bench.writeRecords('many', recordsOf(dns, 'many', lines, from), dns);
    }
    await bench.elasticsearch.request('POST', '/_refresh');
    const top = () => bench.store.aggregate({ ...all, clusters: ['many'], by: 'qname', metric: 'requests' }, t.signal);
    const { count, rows } = await top();
    assert.equal(count, 29_999);
    assert.deepEqual(
      rows.map(({ members, value }) => [...members, value]),
      [
        ['x29999.example.com', 29_999],
        ['x29998.example.com', 29_998],
      ],
    );
    await bench.writeRecords('many', recordsOf(dns, 'many', [line(30_000)], 30_000), dns);
    await bench.elasticsearch.request('POST', '/_refresh');
    await assert.rejects(top(), { name: 'UserError', message: /^there are more than 30000 to compare by qname: / });
  });

  it('waits while the index of a new day is being made', async (t) => {
    const index = `tigera_secure_ee_dns.starting.${dayOf(NOON)}`;
    const allocation = 'index.routing.allocation.require._name';
    const nowhere = { settings: { [allocation]: 'nowhere' } };
    await bench.elasticsearch.request('PUT', `/${index}?wait_for_active_shards=0`, nowhere);
    const asked = { ...all, clusters: ['starting'], by: 'qname', metric: 'requests' } as const;
    const [{ rows }] = await Promise.all([
      bench.store.aggregate(asked, t.signal),
      sleep(600).then(() => bench.elasticsearch.request('PUT', `/${index}/_settings`, { [allocation]: null })),
    ]);
    assert.deepEqual(rows, []);
  });

  it('counts more clusters than a request can name', async (t) => {
    const clusters = Array.from({ length: 120 }, (_, n) => `prod-europe-west-number-${n}`);
    const text = JSON.stringify({ end_time, qname: 'here.example.com', count: 7 });
    for (const cluster of [...clusters.slice(0, 3), 'not-asked']) await bench.write(cluster, [text], dns);
    await bench.elasticsearch.request('POST', '/_refresh');
    const { rows } = await bench.store.aggregate({ ...all, clusters, by: 'qname', metric: 'requests' }, t.signal);
    assert.deepEqual(rows, [{ members: ['here.example.com'], value: 21, records: 3 }]);
  });
}
