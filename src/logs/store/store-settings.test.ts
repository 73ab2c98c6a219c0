import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dayOf } from '../record/time.ts';
import { flows } from '../types/flows.ts';
import { LOG_TYPES } from '../types/index.ts';
import { IndexNames } from './elasticsearch/index-names.ts';
import { DEFAULT_LAYOUT, type Layout, LayoutHistory } from './elasticsearch/layout.ts';
import { closesAt, OpenDays, oldestOpenDay, Retention } from './retention.ts';
import {
  CurrentSettings,
  formatHistory,
  formatLayout,
  formatRetention,
  parseHistory,
  parseLayout,
  parseRetention,
} from './store-settings.ts';

const NOW = Date.UTC(2026, 10, 23, 12);
const HOUR = 3_600_000;
const SHARED: Layout = { ...DEFAULT_LAYOUT, layout: 'shared' };

describe('Retention', () => {
  it("keeps Calico's defaults, a type's own days, and a cluster's own", () => {
    const retention = parseRetention('types: {flows: 10}\nclusters: {prod: {flows: 30, dns: 2}}');
    assert.deepEqual(
      [retention.daysOf('flows', 'prod'), retention.daysOf('flows', 'prod-eu'), retention.daysOf('dns', 'prod')],
      [30, 10, 2],
    );
    assert.deepEqual([retention.daysOf('dns', 'prod-eu'), retention.daysOf('audit_ee', 'prod')], [8, 91]);
    assert.deepEqual([retention.longestOf('flows'), retention.longestOf('dns')], [30, 8]);
    assert.deepEqual(parseRetention(formatRetention(retention)), retention);
  });

  it('closes a day six hours before its last moment is old enough', () => {
    assert.equal(new Date(closesAt('20261115', 8)).toISOString(), '2026-11-23T18:00:00.000Z');
    assert.equal(oldestOpenDay(8, Date.UTC(2026, 10, 23, 18) - 1), '20261115');
    assert.equal(oldestOpenDay(8, Date.UTC(2026, 10, 23, 18)), '20261116');
    const open = new OpenDays(new Retention(), 'flows', 'prod', NOW);
    assert.deepEqual([open.has('20261115'), open.has('20261114')], [true, false]);
    assert.equal(open.reason('20261114'), 'its day, 20261114, is older than the 8 days that are kept');
  });

  for (const [text, why] of [
    ['types: {flow: 8}', /^retention\.types: "flow" is none of flows, /],
    ['types: {flows: 0}', /^retention\.types\.flows: 0 is not a number of days from 1 to 3650/],
    ['types: {flows: "8"}', /"8" is not a number of days/],
    ['types: {flows: 1.5}', /1\.5 is not a number of days/],
    ['types: [flows]', /^retention\.types: not a map/],
    ['clusters: {"prod.eu": {flows: 8}}', /"prod\.eu" cannot be a cluster's name/],
    ['clusters: {"*": {flows: 8}}', /"\*" cannot be a cluster's name/],
    ['days: 8', /unknown field "days"/],
    ['8', /^retention: not a map/],
    ['types: {flows: 8', /^retention: not YAML/],
  ] as const) {
    it(`refuses ${text}`, () => assert.throws(() => parseRetention(text), { name: 'UserError', message: why }));
  }
});

describe('LayoutHistory', () => {
  it('changes from the day after tomorrow on, and leaves every day before alone', () => {
    const before = new LayoutHistory();
    const after = before.with(SHARED, NOW);
    assert.equal(after.of('20261124').layout, 'per-cluster');
    assert.equal(after.of('20261125').layout, 'shared');
    assert.ok(before.mayBecome(after, NOW));
    assert.equal(after.with(SHARED, NOW + HOUR), after, 'what is decided stays');
    assert.deepEqual(parseHistory(formatHistory(after)), after);
  });

  it('takes back what is still to come, and nothing that may have records', () => {
    const changed = new LayoutHistory().with(SHARED, NOW);
    const soon = NOW + 24 * HOUR;
    assert.deepEqual(changed.with(DEFAULT_LAYOUT, NOW), new LayoutHistory());
    assert.deepEqual(
      changed.with(DEFAULT_LAYOUT, soon).periods.map(({ from, layout }) => [from, layout]),
      [
        ['', 'per-cluster'],
        ['20261125', 'shared'],
        ['20261126', 'per-cluster'],
      ],
    );
    assert.equal(changed.mayBecome(new LayoutHistory(), NOW), true);
    assert.equal(changed.mayBecome(new LayoutHistory(), soon), false);
    assert.equal(changed.mayBecome(new LayoutHistory([{ from: '', ...SHARED }]), NOW), false);
  });

  for (const [text, why] of [
    ['[]', /not a list of layouts/],
    ['layout: shared', /not a list of layouts/],
    ['- {}\n- {layout: shared}', /not in order/],
    ['- {}\n- {from: "20261131"}', /not in order/],
    ['- {}\n- {from: "20261125"}\n- {from: "20261124"}', /not in order/],
    ['- {from: "20261125"}', /not in order/],
    ['- {}\n- {from: 20261125}', /not a day in quotes/],
  ] as const) {
    it(`refuses the history ${JSON.stringify(text)}`, () => assert.throws(() => parseHistory(text), { message: why }));
  }

  for (const [text, why] of [
    ['layout: other', /^layout\.layout: must be one of per-cluster, shared/],
    ['prefix: ""', /^layout\.prefix: must be/],
    ['prefix: a.b_', /^layout\.prefix: must be/],
    ['prefix: "*_"', /^layout\.prefix: must be/],
    ['prefix: Calico_', /^layout\.prefix: must be/],
    ['prefix: _all_', /^layout\.prefix: must be/],
    ['shards: 0', /^layout\.shards: must be from 1 to 1024/],
    ['size: 3', /^layout: unknown field "size"/],
  ] as const) {
    it(`refuses the layout ${text}`, () => assert.throws(() => parseLayout(text), { message: why }));
  }

  it('fills in what a layout leaves out', () => {
    assert.deepEqual(parseLayout(''), DEFAULT_LAYOUT);
    assert.deepEqual(parseLayout(formatLayout(SHARED)), SHARED);
  });
});

describe('IndexNames', () => {
  const layouts = new LayoutHistory([
    { from: '', ...DEFAULT_LAYOUT },
    { from: '20261125', ...SHARED },
    { from: '20261127', ...SHARED, prefix: 'acme_' },
  ]);
  const names = new IndexNames(new CurrentSettings({ layouts, retention: new Retention() }));
  const at = (day: number) => Date.UTC(2026, 10, day);

  it('places a record by its own day', () => {
    assert.deepEqual(names.day(flows, 'prod', '20261124'), {
      index: 'tigera_secure_ee_flows.prod.20261124',
      routing: undefined,
    });
    assert.deepEqual(names.day(flows, 'prod', '20261125'), {
      index: 'tigera_secure_ee_flows.shared.20261125',
      routing: 'prod',
    });
    assert.equal(names.day(flows, 'prod', '20261127').index, 'acme_flows.shared.20261127');
  });

  it('reads all clusters, of the days that a time touches, where there are more than can be named', () => {
    const many = Array.from({ length: 250 }, (_, n) => `prod-${n}`);
    for (const [since, until, patterns] of [
      [
        at(22),
        at(24),
        ['tigera_secure_ee_flows.*.20261122', 'tigera_secure_ee_flows.*.20261123', 'tigera_secure_ee_flows.*.20261124'],
      ],
      [undefined, at(24), ['tigera_secure_ee_flows.*']],
      [at(1), at(24), ['tigera_secure_ee_flows.*']],
      [at(25), at(25), ['tigera_secure_ee_flows.shared.20261125']],
      [at(25), at(45), ['tigera_secure_ee_flows.shared.*', 'acme_flows.shared.*']],
    ] as const) {
      assert.deepEqual(names.reading(flows, many, since, until), { patterns, routing: undefined });
    }
    assert.equal(names.reading(flows, ['prod', 'prod-eu'], at(25), at(26)).routing, 'prod,prod-eu');
  });

  it('reads every layout that a time touches, with routing only where all of it is routed', () => {
    const old = 'tigera_secure_ee_flows.prod.*';
    const shared = 'tigera_secure_ee_flows.shared.*';
    const last = 'acme_flows.shared.*';
    for (const [since, until, patterns, routing] of [
      [undefined, undefined, [old, shared, last], undefined],
      [at(25), at(45), [shared, last], 'prod'],
      [undefined, at(25) - 1, [old], undefined],
      [at(10), at(26), [old, shared], undefined],
      [at(27), at(40), [last], 'prod'],
      [0, 8.64e15, [old, shared, last], undefined],
    ] as const) {
      assert.deepEqual(names.reading(flows, ['prod'], since, until), { patterns, routing });
    }
  });

  it('reads the days that a time touches by their names, each in its layout', () => {
    const [old, shared] = ['tigera_secure_ee_flows.prod', 'tigera_secure_ee_flows.shared'];
    for (const [since, until, patterns, routing] of [
      [at(24), at(26), [`${old}.20261124`, `${shared}.20261125`, `${shared}.20261126`], undefined],
      [at(26) + 1, at(27) - 1, [`${shared}.20261126`], 'prod'],
      [at(26), at(28) - 1, [`${shared}.20261126`, 'acme_flows.shared.20261127'], 'prod'],
    ] as const) {
      assert.deepEqual(names.reading(flows, ['prod'], since, until), { patterns, routing });
    }
    const both = ['prod', 'dev'].map((cluster) => `tigera_secure_ee_flows.${cluster}.20261123`);
    assert.deepEqual(names.reading(flows, ['prod', 'dev'], at(23), at(24) - 1).patterns, both);
  });

  it('reads up to tomorrow where a time has no end: records may be ahead', () => {
    const days = [0, 1].map((ahead) => dayOf(Date.now() + ahead * 86_400_000));
    const { patterns } = new IndexNames(new CurrentSettings()).reading(flows, ['prod'], Date.now(), undefined);
    assert.deepEqual(
      patterns,
      days.map((day) => `tigera_secure_ee_flows.prod.${day}`),
    );
  });

  it('knows its own names, and no others', () => {
    assert.deepEqual(names.parse('tigera_secure_ee_flows.prod-eu.20261122'), {
      kept: 'flows',
      cluster: 'prod-eu',
      day: '20261122',
    });
    assert.deepEqual(names.parse('acme_audit_ee.shared.20261122'), {
      kept: 'audit_ee',
      cluster: undefined,
      day: '20261122',
    });
    assert.equal(names.parse('kubectl_mcm_dead_letters.prod.20261122')?.kept, 'dead_letters');
    for (const other of [
      '*',
      'tigera_secure_ee_flows.*.20261122',
      'tigera_secure_ee_flows.prod.*',
      'tigera_secure_ee_flows.prod.20261122,x',
      'tigera_secure_ee_flows.prod.eu.20261122',
      'tigera_secure_ee_flows.prod.20261131',
      'tigera_secure_ee_flows.prod.20261122-000001',
      'tigera_secure_ee_flows.prod',
      'tigera_secure_ee_snapshots.prod.20261122',
      'other_flows.prod.20261122',
      '.ds-tigera_secure_ee_flows.prod.20261122',
      'kubectl_mcm_dead_letters.20261122',
    ]) {
      assert.equal(names.parse(other), undefined, other);
    }
  });

  it('can give no two types one name, whatever the prefixes', () => {
    const all = LOG_TYPES.map(({ name }) => name);
    for (const name of all) for (const other of all) assert.ok(name === other || !name.endsWith(`_${other}`));
  });
});
