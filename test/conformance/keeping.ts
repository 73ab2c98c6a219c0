import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import type { Cursor } from '../../src/logs/query/cursor.ts';
import { ORDERS } from '../../src/logs/query/log-query.ts';
import type { LogRecord } from '../../src/logs/record/record.ts';
import { dayOf } from '../../src/logs/record/time.ts';
import { createdAt } from '../../src/logs/store/elasticsearch/day-keeper.ts';
import { kindOf } from '../../src/logs/store/elasticsearch/dead-letter.ts';
import {
  DEFAULT_LAYOUT,
  type LayoutHistory as History,
  LayoutHistory,
} from '../../src/logs/store/elasticsearch/layout.ts';
import { type FoundRecord, type StoreFault, StoreUnavailable } from '../../src/logs/store/log-store.ts';
import { Retention, startOf } from '../../src/logs/store/retention.ts';
import { auditKube } from '../../src/logs/types/audit.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { Bench, recordsOf } from './store-bench.ts';
import type { Subject } from './subject.ts';

const { signal } = new AbortController();
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Noon, so that an hour back or ahead is the same day, and a record of today is never 12 hours ahead. */
const NOON = startOf(dayOf(Date.now() - DAY)) + DAY / 2;

/** A flow whose time is `time`. */
function flow(time: number, members: object = {}): string {
  return JSON.stringify({ end_time: Math.floor(time / 1000), action: 'allow', ...members });
}

/** Keeps what is written, whole and once, finds it again, and lets it go in time. */
export function keeping({ server, major, layout }: Subject): void {
  const prefix = `k_${layout}_`;
  const current = { ...DEFAULT_LAYOUT, layout, prefix };
  const always = new LayoutHistory([{ from: '', ...current }]);
  const benches: Bench[] = [];
  const newBench = (layouts: History, retention?: Retention) => {
    const made = new Bench(server(), layouts, retention);
    benches.push(made);
    return made;
  };
  let usual: Bench | undefined;
  const bench = () => {
    usual ??= newBench(always);
    return usual;
  };
  const indexOf = (cluster: string, day: string, type = 'flows') =>
    `${prefix}${type}.${layout === 'shared' ? 'shared' : cluster}.${day}`;
  const [yesterday, today] = [dayOf(NOON - DAY), dayOf(NOON)];
  after(async () => {
    for (const { store } of benches) await store.close();
  });

  it('keeps what is written, once, however often it is sent', async () => {
    const { store } = bench();
    await store.ping(signal);
    const lines = [flow(NOON - DAY, { n: 1 }), flow(NOON, { n: 2 }), flow(NOON, { n: 3 })];
    const first = await bench().write('once', lines);
    assert.deepEqual(first, { stored: 3, known: 0, differing: 0, refused: [] });
    const again = await bench().write('once', [...lines, flow(NOON, { n: 4 })]);
    assert.deepEqual(again, { stored: 1, known: 3, differing: 0, refused: [] });
    assert.deepEqual((await bench().found('once', 'n')).sort(), [1, 2, 3, 4]);
    const indices = await bench().indices();
    assert.ok(indices.includes(indexOf('once', yesterday)) && indices.includes(indexOf('once', today)));
  });

  describe('finds the records of many clusters at once', () => {
    const names = ['fleet', 'fleet-eu', 'fleet-us', 'fleet-x'];
    // More than there is room for in a request's first line, of which four have records.
    const many = [...names, ...Array.from({ length: 296 }, (_, n) => `fleet-of-a-rather-long-name-${n}`)];
    before(async () => {
      // All of one time and one moment: only where they are tells them from each other.
      mock.timers.enable({ apis: ['Date'], now: NOON + HOUR });
      const lines = Array.from({ length: 5 }, (_, n) => flow(NOON, { n }));
      for (const cluster of [...names, 'fleet-no']) await bench().write(cluster, lines);
      mock.timers.reset();
      await bench().write('fleet-eu', [flow(NOON - DAY, { n: 'late' })]);
      await server().request('POST', '/_refresh');
    });

    for (const [what, asked] of [
      ['by name', names],
      ['of which there are too many to name', many],
    ] as const) {
      it(`${what}: each once, in one order, and none of another's`, async () => {
        const all = (await bench().find(asked)).records;
        const of = (records: typeof all, member: string) => records.map(({ record }) => record[member]);
        assert.deepEqual(new Set(of(all, 'cluster')), new Set(names));
        assert.equal(all.length, 21);
        const ids = (records: typeof all) => records.map(({ id }) => id);
        assert.equal(new Set(ids(all)).size, 21);
        assert.deepEqual(ids((await bench().search(asked, { order: 'desc' })).records), ids(all).toReversed());
        // The one that came last.
        assert.deepEqual(of((await bench().search(asked, { order: 'arrival' })).records.slice(-1), 'n'), ['late']);
        for (const order of ORDERS) {
          const seen: FoundRecord[] = [];
          let after: Cursor | undefined;
          do {
            const found = await bench().search(asked, { order, limit: 1, after });
            seen.push(...found.records);
            after = found.next;
          } while (after !== undefined);
          assert.deepEqual(ids(seen), ids((await bench().search(asked, { order })).records), order);
        }
        const since = async (time: number) => of((await bench().search(asked, { since: time })).records, 'n').length;
        assert.deepEqual(await Promise.all([NOON - DAY, NOON, NOON + 1].map(since)), [21, 20, 0]);
        const late = await bench().search(asked, { arrivedSince: NOON + HOUR + 1 });
        assert.deepEqual(of(late.records, 'n'), ['late']);
      });
    }

    it('and not those of one whose name only begins so', async () => {
      const clusters = async (...asked: string[]) =>
        new Set((await bench().search(asked)).records.map(({ record }) => record.cluster));
      assert.deepEqual(await clusters('fleet'), new Set(['fleet']));
      assert.deepEqual(await clusters('fleet', 'fleet-us'), new Set(['fleet', 'fleet-us']));
    });
  });

  it('counts records that come again with another content, and keeps the first', async () => {
    const [record] = recordsOf(flows, 'conflict', [flow(NOON, { n: 1 })]) as [LogRecord];
    const as = (checksum: string) => ({ ...record, checksum, added: `${record.added},"checksum":"${checksum}"` });
    await bench().writeRecords('conflict', [as('one')]);
    assert.equal((await bench().writeRecords('conflict', [as('one')])).differing, 0);
    assert.equal((await bench().writeRecords('conflict', [as('other')])).differing, 1);
    assert.deepEqual(await bench().found('conflict', 'checksum'), ['one']);
  });

  it('refuses what Elasticsearch cannot parse, and takes the rest', async () => {
    const outcome = await bench().write('faulty', [flow(NOON, { n: 1 }), flow(NOON, { bytes_in: 'many' })]);
    assert.deepEqual([outcome.stored, outcome.refused.length], [1, 1]);
    assert.match(outcome.refused[0]?.reason ?? '', /bytes_in/);
  });

  it('says what is at fault where it is not the record', async () => {
    // A day and a cluster of its own, which no other test needs.
    const time = NOON - 3 * DAY;
    const index = indexOf('at-fault', dayOf(time));
    const set = async (path: string, body: object) => await server().request('PUT', path, body);
    const limit = (shards: number | null) =>
      set('/_cluster/settings', { persistent: { 'cluster.max_shards_per_node': shards } });
    const mustHoldBack = async (fault: StoreFault, lines: readonly string[], message: RegExp) =>
      await assert.rejects(bench().write('at-fault', lines), (error: Error) => {
        assert.ok(error instanceof StoreUnavailable, error.message);
        assert.equal(error.fault, fault);
        assert.ok(error.message.startsWith(`${index}: `), error.message);
        assert.match(error.message, message);
        return true;
      });
    const whole = [flow(time, { n: 1 })];

    await limit(1);
    await mustHoldBack('ShardLimit', whole, /maximum normal shards open/);
    await limit(null);

    const bad = flow(time, { n: 2, bytes_in: 5, bytes_out: 'many' });
    const mapped = { properties: { bytes_in: { type: 'ip' }, 'mine.all': { type: 'long' } } };
    await set(`/${index}`, { mappings: mapped });
    await mustHoldBack('MappingConflict', [bad], /field bytes_in otherwise: as ip, and it has to be long$/);
    const mine = [flow(time, { n: 3, mine: { all: 'x' } })];
    await mustHoldBack('MappingConflict', mine, /field mine\.all otherwise: as long, and it has to be in no mapping$/);
    // Where the index has no part in it, the record is at fault as ever.
    const { refused } = await bench().write('at-fault', [flow(time, { n: 4, bytes_out: 'many' }), ...whole]);
    assert.deepEqual(
      refused.map(({ reason }) => kindOf(reason)),
      ['bytes_out is no long'],
    );
    await set(`/${index}/_mapping`, { dynamic: 'strict' });
    const unknown = [flow(time, { n: 5, unheard_of: 1 })];
    const later = newBench(always);
    await assert.rejects(later.write('at-fault', unknown), /"dynamic" to "strict"/);

    for (const [block, fault] of [
      ['read_only_allow_delete', 'DiskWatermark'],
      ['write', 'IndexBlocked'],
      ['read_only', 'IndexBlocked'],
    ] as const) {
      await set(`/${index}/_settings`, { [`index.blocks.${block}`]: true });
      await mustHoldBack(fault, [flow(time, { n: 6 })], /blocked by/);
      await set(`/${index}/_settings`, { [`index.blocks.${block}`]: null });
    }
    await server().request('POST', `/${index}/_close`);
    await mustHoldBack('IndexClosed', [flow(time, { n: 6 })], /closed/);
    await server().request('DELETE', `/${index}`);
    const again = [bad, ...mine, ...whole, flow(time, { n: 6 })];
    assert.deepEqual((await bench().write('at-fault', again)).refused.length, 1, 'as it would have been at first');
  });

  it('tells how it is, and counts what was set aside by cluster and kind', async () => {
    const { store } = bench();
    const { version, health, dataNodes, shardsPerNode, shards } = await store.report.facts(signal);
    assert.match(version, new RegExp(`^${major}\\.`));
    // Yellow by indices that are not ours: these want a replica.
    assert.match(health, /^(green|yellow)$/);
    assert.deepEqual([dataNodes, shardsPerNode], [1, 1000]);
    assert.ok(shards > 0 && shards < 1000);
    const bytes = Buffer.from('hush');
    const source = { cluster: `letters-${layout}`, host: 'node-1', position: undefined };
    const letters = ['not JSON', 'not JSON', 'not UTF-8'].map((reason, offset) => ({
      id: `letter-${offset}`,
      line: { offset, bytes, length: bytes.length },
      reason,
    }));
    await store.setAside(letters, flows, source, signal);
    await server().request('POST', '/_refresh');
    const { records, counts } = await store.report.deadLetters(Date.now(), signal);
    assert.ok(records >= 3);
    assert.deepEqual(
      counts.filter(({ cluster }) => cluster === source.cluster),
      [
        { cluster: source.cluster, type: 'flows', kind: 'not JSON', records: 2 },
        { cluster: source.cluster, type: 'flows', kind: 'not UTF-8', records: 1 },
      ],
    );
    const tomorrow = await store.report.deadLetters(Date.now() + DAY + 1000, signal);
    assert.deepEqual([tomorrow.records, tomorrow.counts], [0, []]);
  });

  it('keeps hostile and foreign text to the letter', async () => {
    const text = '\u0000\u001f"\\\n\u2028\u202e}{"create":{"_index":"x"}} 漢字 🦈 ́';
    const hostile = { note: text, [text]: text, routing: 'x', owner: 'y' };
    const lines = [flow(NOON, { n: 1, cluster: 'prod', '@timestamp': 1, ingested: 1, ...hostile })];
    const { refused } = await bench().write('hostile', lines);
    assert.deepEqual(refused, []);
    const [found] = (await bench().find('hostile')).records;
    assert.deepEqual(
      { ...found?.record, ingested: 0 },
      {
        ...(JSON.parse(lines[0] ?? '') as object),
        cluster: 'hostile',
        '@timestamp': NOON,
        host: 'node-1',
        ingested: 0,
      },
    );
    assert.deepEqual(await bench().found('prod', 'note'), [], 'whatever it says of itself');
  });

  it('never mixes prod and prod-eu', async () => {
    const lines = (n: number) => [flow(NOON, { n }), flow(NOON - DAY, { n })];
    await bench().write('prod', lines(1));
    await bench().write('prod-eu', lines(2));
    await bench().write('prod-eu', [JSON.stringify({ stageTimestamp: new Date(NOON).toISOString(), n: 3 })], auditKube);
    assert.deepEqual(await bench().found('prod', 'n'), [1, 1]);
    assert.deepEqual(await bench().found('prod-eu', 'n'), [2, 2]);
    assert.deepEqual(await bench().found('prod', 'n', { since: NOON }), [1]);
    assert.deepEqual(await bench().found('prod-', 'n'), []);
    assert.deepEqual(await bench().found('rod', 'n'), []);
  });

  it('reads pages without gaps and repeats while records arrive', async () => {
    const writer = bench();
    const COUNT = 1_700;
    // Seven to each moment: more than one page ends among equals.
    const line = (n: number) => flow(NOON + Math.floor(n / 7) * 1000, { n });
    await writer.write(
      'pages',
      Array.from({ length: COUNT }, (_, n) => line(n)),
    );
    await server().request('POST', '/_refresh');
    let arriving = true;
    const arrivals = (async () => {
      for (let n = COUNT; arriving; n += 50) {
        const lines = Array.from({ length: 50 }, (_, more) => flow(NOON + 20 * 60_000, { n: n + more }));
        await writer.write('pages', lines);
        await server().request('POST', '/_refresh');
      }
    })();
    for (const order of ['asc', 'desc'] as const) {
      const seen: number[] = [];
      let after: Cursor | undefined;
      do {
        // Less than a moment's, a page of Elasticsearch's, and more.
        const limit = [5, 500, 611][seen.length % 3] ?? 5;
        const found = await bench().search('pages', { until: NOON + 15 * 60_000, order, limit, after });
        seen.push(...found.records.map(({ record }) => Number(record.n)));
        after = found.next;
      } while (after !== undefined);
      const times = seen.map((n) => Math.floor(n / 7));
      assert.deepEqual(
        times,
        times.toSorted((a, b) => (order === 'asc' ? a - b : b - a)),
      );
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        Array.from({ length: COUNT }, (_, n) => n),
      );
      const all = (await bench().find('pages', { order })).records.map(({ record }) => record.n);
      assert.equal(new Set(all).size, all.length, 'none twice');
    }
    arriving = false;
    await arrivals;
  });

  it('goes on where a backlog was written under the layout before', async () => {
    const other = { ...current, layout: layout === 'shared' ? 'per-cluster' : 'shared' } as const;
    const changed = new LayoutHistory([
      { from: '', ...current },
      { from: today, ...other },
    ]);
    const lines = [flow(NOON - DAY, { n: 1 }), flow(NOON - 1000, { n: 2 }), flow(NOON, { n: 3 })];
    const waiting = recordsOf(flows, 'moving', lines);
    assert.equal((await bench().writeRecords('moving', waiting.slice(0, 1))).stored, 1);
    // The same records again, from a spool, when everybody knows of the change; twice, since the answer was lost.
    const moved = newBench(changed);
    assert.deepEqual(await moved.writeRecords('moving', waiting), {
      stored: 2,
      known: 1,
      differing: 0,
      refused: [],
    });
    assert.equal((await newBench(changed).writeRecords('moving', waiting)).known, 3);
    const there = (await bench().indices()).filter((name) => name.startsWith(`${prefix}flows.`));
    const after = layout === 'shared' ? 'moving' : 'shared';
    assert.ok(there.includes(indexOf('moving', yesterday)));
    assert.ok(there.includes(`${prefix}flows.${after}.${today}`));
    assert.deepEqual(await moved.found('moving', 'n'), [1, 2, 3]);
    assert.deepEqual(await moved.found('moving', 'n', { since: NOON }), [3]);
    assert.deepEqual(await moved.found('moving', 'n', { until: NOON - HOUR }), [1]);
  });

  it('closes days that are not kept, deletes them six hours later, and never creates them again', async () => {
    const old = dayOf(NOON - 20 * DAY);
    const lines = [flow(NOON - 20 * DAY, { n: 1 }), flow(NOON, { n: 2 })];
    const keeping = (days: number, own: number) =>
      new Retention(new Map([['flows', days]]), new Map([['kept', new Map([['flows', own]])]]));
    const before = newBench(always, keeping(30, 30));
    for (const cluster of ['kept', 'kept-eu']) await before.write(cluster, lines);
    // What another owner has there: under our very name, and under nearly ours.
    const foreign = [`${prefix}flows.${layout === 'shared' ? 'shared' : 'foreign'}.${dayOf(NOON - 25 * DAY)}`];
    foreign.push(`${prefix}flows.kept-eu.${old}-000001`, `${prefix}snapshots.kept-eu.${old}`);
    await server().request('DELETE', '/_index_template/kubectl-mcm-flows,kubectl-mcm-flows-shared');
    for (const name of foreign) await server().request('PUT', `/${name}`);

    // In the shared layout the longest wish counts: so both are shortened there.
    const now = Date.now();
    const shortened = newBench(always, keeping(8, layout === 'shared' ? 8 : 30));
    const { refused, known } = await shortened.write('kept-eu', [
      flow(NOON - 20 * DAY, { n: 3 }),
      flow(NOON, { n: 2 }),
    ]);
    assert.deepEqual(
      [known, refused.map(({ reason }) => reason)],
      [1, [`its day, ${old}, is older than the 8 days that are kept`]],
    );
    const mine = indexOf('kept-eu', old);
    const { days } = shortened.store;
    const closed = await days.round(now, signal);
    assert.deepEqual([closed.closed, closed.deleted], [[mine], []]);
    assert.deepEqual((await days.round(now + 6 * HOUR - 1, signal)).deleted, []);

    // Taken back in time, and shortened again.
    shortened.settings.value = { layouts: always, retention: keeping(30, 30) };
    assert.deepEqual((await days.round(now, signal)).reopened, [mine]);
    assert.equal((await shortened.write('kept-eu', [flow(NOON - 20 * DAY, { n: 4 })])).refused.length, 0);
    shortened.settings.value = { layouts: always, retention: keeping(8, layout === 'shared' ? 8 : 30) };
    assert.deepEqual((await days.round(now + HOUR, signal)).closed, [mine]);
    assert.deepEqual((await days.round(now + 7 * HOUR - 1, signal)).deleted, []);
    assert.deepEqual((await days.round(now + 7 * HOUR, signal)).deleted, [mine]);

    const left = await shortened.indices();
    assert.equal(left.includes(mine), false);
    for (const name of foreign) assert.ok(left.includes(name), name);
    assert.ok(left.includes(indexOf('kept-eu', today)));
    if (layout === 'per-cluster') assert.deepEqual(await shortened.found('kept', 'n'), [1, 2]);
    assert.equal((await shortened.write('kept-eu', [flow(NOON - 20 * DAY, { n: 5 })])).refused.length, 1);
    assert.equal((await shortened.indices()).includes(mine), false);
  });

  it("creates tomorrow's index in the evening", async () => {
    const { store, ...writer } = bench();
    const day = dayOf(Date.now());
    const tomorrow = indexOf('evening', dayOf(Date.now() + DAY));
    await bench().write('evening', [flow(Date.now() - 1000)]);
    const due = createdAt(tomorrow, Date.now());
    assert.ok(due >= startOf(day) + 18 * HOUR && due < startOf(day) + 23.5 * HOUR);
    assert.equal((await store.days.round(due - 1, signal)).created.includes(tomorrow), false);
    // Where somebody has given its name away, that is said, and keeps nothing else from being done.
    await writer.elasticsearch.request('PUT', `/taken-${tomorrow}`, { aliases: { [tomorrow]: {} } });
    const { created, notCreated } = await store.days.round(due, signal);
    assert.equal(created.includes(tomorrow), false);
    assert.match(notCreated?.message ?? '', /^Elasticsearch answered 400 invalid_index_name_exception: .*alias/);
    await writer.elasticsearch.request('DELETE', `/taken-${tomorrow}`);
    assert.equal((await store.days.round(due, signal)).created.includes(tomorrow), true);
    assert.equal((await store.days.round(due + 60_000, signal)).created.includes(tomorrow), false);
    const path = `/${tomorrow}?filter_path=*.mappings._meta,*.settings.index.number_of_shards`;
    assert.deepEqual(await writer.elasticsearch.request('GET', path), {
      [tomorrow]: {
        mappings: { _meta: { owner: 'kubectl-mcm' } },
        settings: { index: { number_of_shards: layout === 'shared' ? '3' : '1' } },
      },
    });
  });

  it('refuses a layout that Elasticsearch has no room for, and says what to do', async () => {
    const { days } = bench().store;
    assert.equal(await days.refuseLayout(current, 2, signal), undefined);
    const refusal = await days.refuseLayout({ ...current, layout: 'per-cluster' }, 3_000, signal);
    assert.match(
      refusal ?? '',
      /^the layout per-cluster would need [\d,]+ shards for 3000 clusters \(flows, audit_kube\), and Elasticsearch takes 1,000 on 1 data nodes, of which others have \d+: choose the layout "shared", or fewer days, or more data nodes/,
    );
    const limit = (value: number | null) => ({ persistent: { 'cluster.max_shards_per_node': value } });
    await server().request('PUT', '/_cluster/settings', limit(1_000_000));
    assert.equal(await days.refuseLayout({ ...current, layout: 'per-cluster' }, 3_000, signal), undefined);
    await server().request('PUT', '/_cluster/settings', limit(null));
  });
}
