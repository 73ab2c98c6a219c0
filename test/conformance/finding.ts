import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { generateDns } from '../../fixtures/generate-dns.ts';
import { generateFlows } from '../../fixtures/generate-flows.ts';
import { Random } from '../../fixtures/random.ts';
import type { Cursor } from '../../src/logs/query/cursor.ts';
import type { Filter } from '../../src/logs/query/filter.ts';
import type { QueryParameters } from '../../src/logs/query/log-query.ts';
import { parseFilter } from '../../src/logs/query/parse-filter.ts';
import { MOST_WILDCARDS } from '../../src/logs/query/pattern.ts';
import { printFilter } from '../../src/logs/query/print-filter.ts';
import { dayOf } from '../../src/logs/record/time.ts';
import { DEFAULT_LAYOUT, LayoutHistory } from '../../src/logs/store/elasticsearch/layout.ts';
import type { FoundRecord } from '../../src/logs/store/log-store.ts';
import { startOf } from '../../src/logs/store/retention.ts';
import { type Field, type FieldKind, Fields } from '../../src/logs/types/field.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { LOG_TYPES } from '../../src/logs/types/index.ts';
import type { LogType } from '../../src/logs/types/log-type.ts';
import type { ElasticsearchMajor } from '../../testbed/elasticsearch/installation.ts';
import { holds } from './filter-oracle.ts';
import { RandomFilters } from './random-filter.ts';
import { Bench } from './store-bench.ts';
import type { Subject } from './subject.ts';

const DAY = 86_400_000;

/** Yesterday's noon: kept by every type, and one day whatever the time is. */
const NOON = startOf(dayOf(Date.now() - DAY)) + DAY / 2;

const RECORDS = 60;
/** Of each field, and of all fields together. */
const QUERIES: Readonly<Record<ElasticsearchMajor, readonly [number, number]>> = { 9: [2, 40], 8: [2, 20] };

/** What records have in fields of each kind, also where it is none. */
const VALUES: Readonly<Record<FieldKind, readonly unknown[]>> = {
  keyword: [
    'store',
    'Store',
    'stores',
    'web-7d9-*',
    'web-7d9-x2',
    '-',
    '',
    'né',
    '漢字',
    '🦈',
    'a\\b',
    'a?b',
    'axb',
    'a\nb',
    7,
    ['a', 'store'],
  ],
  labels: [['app=web', 'tier=front'], ['app=webs'], [], 'app=web', 'k8s-app=kube-dns'],
  attributes: ['allow', 'forbid', 'a*b', ''],
  text: ['Mesh_10: State changed', 'Connected to peer', 'Peer down, retrying', ''],
  ip: [
    '10.0.0.1',
    '10.1.2.3',
    '192.168.7.7',
    '2001:db8::1',
    '::1',
    '::ffff:10.0.0.1',
    '-',
    ['10.0.0.9', '2001:db8::9'],
  ],
  date: [NOON / 1000, new Date(NOON + 1).toISOString(), '2026-11-22T18:00:00.123456Z', '2026-11-22T18:00:00+02:00'],
  number: [0, 1, 443, 444, 8080, -3, 9_007_199_254_740_991, '80', [1, 2]],
  boolean: [true, false],
};

/** The same of labels that are not indexed, which come in any form. */
const STORED_LABELS = [
  ...VALUES.labels,
  ...[{ app: 'web', tier: 'front' }, { app: 'webs' }, { 'app.kubernetes.io/name': 'web', app: '' }, {}, '-', 7],
  ...[
    { app: ['web', 'x'], tier: null },
    { app: 7, tier: true },
    { app: { web: 'front' } },
    [{ app: 'web' }, 'tier=front'],
  ],
];

const KEY = 'authorization.k8s.io/decision';

/** Fields that a sender can set, with the one key of attributes that is tried. */
function fieldsOf(type: LogType): Field[] {
  const fields = Fields.of([type]);
  const ours = ['@timestamp', 'cluster', 'host', 'ingested', ...type.timeFields];
  return fields.names
    .filter((name) => !ours.includes(name))
    .flatMap((name) => fields.find(name) ?? fields.find(`${name}.${KEY}`) ?? []);
}

/** A record with something odd in some of its fields. */
function oddRecord(type: LogType, fields: readonly Field[], random: Random, time: number): string {
  const record: Record<string, unknown> = { [type.timeFields[0] ?? '']: new Date(time).toISOString() };
  for (const { kind, path, nested = listAround(path, record), stored } of fields) {
    if (random.chance(0.4)) continue;
    const value = random.chance(0.1) ? null : random.pick(stored ? STORED_LABELS : VALUES[kind]);
    if (kind === 'attributes') set(record, ['annotations', KEY], value);
    else if (nested === undefined) set(record, path.split('.'), value);
    else {
      const list = (record[nested] ?? [{}, {}]) as Record<string, unknown>[];
      record[nested] = list;
      set(list[random.between(0, 1)] ?? {}, path.slice(nested.length + 1).split('.'), value);
    }
  }
  return JSON.stringify(record);
}

/** Where a field is within a list that is there already. */
function listAround(path: string, record: Readonly<Record<string, unknown>>): string | undefined {
  const [outer = ''] = path.split('.');
  return Array.isArray(record[outer]) ? outer : undefined;
}

function set(record: Record<string, unknown>, [first = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) record[first] = value;
  else {
    record[first] ??= {};
    set(record[first] as Record<string, unknown>, rest, value);
  }
}

/** What can be compared with, of what the records have. */
function known({ kind, name, stored }: Field): readonly string[] {
  if (name === 'cluster') return ['asked'];
  if (stored)
    return ['app=web', 'app=', 'app=7', 'tier=front', 'tier=true', 'app.kubernetes.io/name=web', 'app.web=front'];
  const values = VALUES[kind].flat().map(String);
  return kind === 'ip'
    ? [...values.filter((value) => value !== '-'), '10.0.0.0/8', '10.0.0.0/30', '2001:db8::/64']
    : values;
}

/** Finds exactly what queries say, whatever is in the records. */
export function finding({ server, major, layout }: Subject): void {
  const seed = major;
  const [perField, together] = QUERIES[major];
  let bench: Bench;
  const stored = new Map<LogType, readonly FoundRecord[]>();
  before(async () => {
    bench = new Bench(server(), new LayoutHistory([{ from: '', ...DEFAULT_LAYOUT, layout, prefix: `f_${layout}_` }]));
    const random = new Random(seed);
    for (const type of LOG_TYPES) {
      const fields = fieldsOf(type);
      const lines = Array.from({ length: RECORDS }, (_, at) =>
        oddRecord(type, fields, random, NOON + (at % 60) * 1000),
      );
      const range = { seed, count: 60, from: NOON, to: NOON + 60_000 };
      if (type.name === 'flows') lines.push(...generateFlows(range));
      if (type.name === 'dns') lines.push(...generateDns(range));
      for (const cluster of type === flows ? ['asked', 'other'] : ['asked']) {
        const { refused } = await bench.write(cluster, lines, type);
        assert.deepEqual(
          refused.map(({ reason }) => reason),
          [],
        );
      }
      stored.set(type, (await bench.find('asked', {}, [type])).records);
      assert.equal(stored.get(type)?.length, lines.length);
    }
  });
  after(() => bench.store.close());

  /** What a filter finds, against what it should. */
  async function check(type: LogType, filter: Filter): Promise<number> {
    const wanted = stored.get(type)?.filter(({ record }) => holds(filter, record)) ?? [];
    const { records, next } = await bench.search('asked', { filter }, [type]);
    const ids = (found: readonly FoundRecord[]) => found.map(({ id }) => id);
    assert.deepEqual(ids(records), ids(wanted), `${type.name}: ${printFilter(filter)}`);
    assert.equal(next, undefined);
    return records.length;
  }

  /** How many records all of them find together. */
  async function checkAll(type: LogType, filters: readonly Filter[]): Promise<number> {
    let found = 0;
    for (let at = 0; at < filters.length; at += 8) {
      const counts = await Promise.all(filters.slice(at, at + 8).map((filter) => check(type, filter)));
      found += counts.reduce((sum, count) => sum + count, 0);
    }
    return found;
  }

  /** What all pages have. */
  async function timesOf(cluster: string, asked: Partial<QueryParameters>): Promise<readonly unknown[]> {
    const times: unknown[] = [];
    let after: Cursor | undefined;
    do {
      const { records, next } = await bench.search(cluster, { ...asked, after });
      times.push(...records.map(({ record }) => record['@timestamp']));
      after = next;
    } while (after !== undefined);
    return times;
  }

  for (const type of LOG_TYPES) {
    it(`of ${type.label} logs finds exactly what its words say: each operator on each field`, async () => {
      const random = new RandomFilters(new Random(seed), Fields.of([type]), known);
      const fields = fieldsOf(type);
      const filters = fields.flatMap((field) => Array.from({ length: perField }, () => random.leaf(field)));
      assert.ok((await checkAll(type, filters)) > 0);
      const matched = new Set(filters.flatMap((filter) => (filter.kind === 'match' ? [filter.field.kind] : [])));
      for (const { kind } of fields) assert.ok(matched.has(kind), kind);
    });

    it(`of ${type.label} logs finds exactly what its words say: and, or, not`, async () => {
      const random = new RandomFilters(new Random(seed), Fields.of([type]), known);
      assert.ok(
        (await checkAll(
          type,
          Array.from({ length: together }, () => random.filter()),
        )) > 0,
      );
    });
  }

  it('of both audit logs finds what is in either', async () => {
    const types = LOG_TYPES.filter(({ group }) => group === 'audit');
    const filter = parseFilter('verb IN {"s*", 7}', Fields.of(types), 'audit logs') as Filter;
    const { records } = await bench.search('asked', { filter }, types);
    const wanted = types.flatMap((type) => stored.get(type)?.filter(({ record }) => holds(filter, record)) ?? []);
    assert.deepEqual(records.map(({ id }) => id).sort(), wanted.map(({ id }) => id).sort());
    assert.deepEqual(new Set(records.map((record) => record.type)), new Set(['audit_ee', 'audit_kube']));
  });

  it('goes on behind any record, forwards and backwards', async () => {
    const filter = parseFilter('NOT action = "-"', Fields.of([flows]), 'flow logs') as Filter;
    const wanted =
      stored
        .get(flows)
        ?.filter(({ record }) => holds(filter, record))
        .map(({ id }) => id) ?? [];
    for (const order of ['asc', 'desc'] as const) {
      const seen: string[] = [];
      let after = (await bench.search('asked', { filter, order, limit: 1 })).next;
      seen.push(...(await bench.search('asked', { filter, order, limit: 1 })).records.map(({ id }) => id));
      while (after !== undefined) {
        const { records, next } = await bench.search('asked', { filter, order, limit: 7, after });
        seen.push(...records.map(({ id }) => id));
        after = next;
      }
      assert.deepEqual(seen, order === 'asc' ? wanted : wanted.toReversed());
    }
  });

  it('in their order over many days, in pages of any length', async () => {
    // The older the fewer: the last hour has five, the first day one.
    const times = Array.from({ length: 60 }, (_, n) => NOON - n * n * 140_000);
    const lines = times.map((time) => JSON.stringify({ end_time: time / 1000 }));
    const { stored } = await bench.write('days', lines);
    assert.equal(stored, times.length);
    await bench.elasticsearch.request('POST', '/_refresh');
    const ranges = [{}, { until: NOON + 1 }, { since: NOON - 5 * DAY, until: NOON }];
    for (const range of ranges) {
      const { since = 0, until = Number.POSITIVE_INFINITY }: { since?: number; until?: number } = range;
      const newestFirst = times.filter((time) => time >= since && time < until);
      for (const limit of [3, 30, 200]) {
        assert.deepEqual(await timesOf('days', { ...range, order: 'desc', limit }), newestFirst);
        assert.deepEqual(await timesOf('days', { ...range, order: 'asc', limit }), newestFirst.toReversed());
      }
    }
  });

  it('says the same twice, also after Elasticsearch has merged what it has', async () => {
    const all = async () => JSON.stringify((await bench.search('asked', { order: 'desc' })).records);
    const first = await all();
    await bench.elasticsearch.request('POST', '/_forcemerge?max_num_segments=1');
    assert.equal(await all(), first);
  });

  it('is as hard as it may be, and still answered', async () => {
    const wildcards = '*?????????'.slice(0, MOST_WILDCARDS);
    const deep = `${'(NOT (action = deny AND '.repeat(6)}action IN {"${wildcards}x"}${'))'.repeat(6)}`;
    const long = `"policies.all_policies" IN {${Array.from({ length: 100 }, (_, n) => `"*${n}*${wildcards.slice(2)}"`).join()}}`;
    const many = `dest_port IN {${Array.from({ length: 900 }, (_, n) => n).join()}}`;
    for (const text of [deep, long, many]) {
      const filter = parseFilter(text, Fields.of([flows]), 'flow logs');
      await bench.search('asked', { filter });
    }
  });
}
