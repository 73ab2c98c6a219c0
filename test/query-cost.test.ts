import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { parseAggregation } from '../src/logs/query/aggregation.ts';
import { parseParameters } from '../src/logs/query/log-query.ts';
import { ScanTooWide } from '../src/logs/query/scan.ts';
import { ElasticsearchStore } from '../src/logs/store/elasticsearch/elasticsearch-store.ts';
import {
  DEFAULT_LAYOUT,
  LAYOUT_NAMES,
  LayoutHistory,
  type LayoutName,
} from '../src/logs/store/elasticsearch/layout.ts';
import { Retention } from '../src/logs/store/retention.ts';
import { CurrentSettings } from '../src/logs/store/store-settings.ts';
import { flows } from '../src/logs/types/flows.ts';
import { freePorts, type ServerProcess } from '../testbed/processes.ts';
import { Workbench } from '../testbed/testbed.ts';
import { type Ask, addSender, frontProxyKeys, managerPort, post, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const MOST = 100;
const NOON = Date.UTC(2026, 10, 22, 12);

describe('a query that would look through too much', () => {
  const PREFIX: Readonly<Record<LayoutName, string>> = { 'per-cluster': 'cost_per_', shared: 'cost_shared_' };

  // 90 records of one cluster and 60 of another one, a second apart, and 72 of a third one, ten minutes apart.
  before(async () => {
    const mappings = {
      properties: {
        ...{
          cluster: { type: 'keyword' },
          action: { type: 'keyword' },
          reporter: { type: 'keyword' },
          source_name: { type: 'keyword' },
        },
        ...{ '@timestamp': { type: 'date' }, ingested: { type: 'date' } },
      },
    };
    for (const layout of LAYOUT_NAMES) {
      const indexOf = (cluster: string) =>
        `${PREFIX[layout]}flows.${layout === 'shared' ? 'shared' : cluster}.20261122`;
      for (const index of new Set(['wide', 'other', 'long'].map(indexOf))) {
        await workbench.elasticsearch.request('PUT', `/${index}`, { mappings });
      }
      const documents = [
        ...Array.from({ length: 90 }, (_, at) => ({ cluster: 'wide', '@timestamp': NOON + at * 1000 })),
        ...Array.from({ length: 60 }, (_, at) => ({ cluster: 'other', '@timestamp': NOON + at * 1000 })),
        ...Array.from({ length: 72 }, (_, at) => ({ cluster: 'long', '@timestamp': NOON - (at + 1) * 600_000 })),
      ];
      const lines = documents.flatMap((document) => [
        { create: { _index: indexOf(document.cluster), routing: document.cluster } },
        { ...document, ingested: NOON, action: 'deny', source_name: 'web' },
      ]);
      const body = `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`;
      const headers = { 'content-type': 'application/x-ndjson' };
      const url = `${workbench.elasticsearch.url}/_bulk?refresh=true`;
      assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 200);
    }
  });

  for (const layout of LAYOUT_NAMES) {
    const storeOf = (mostScanned: number) => {
      const layouts = new LayoutHistory([{ from: '', ...DEFAULT_LAYOUT, layout, prefix: PREFIX[layout] }]);
      const settings = new CurrentSettings({ layouts, retention: new Retention() });
      return new ElasticsearchStore({ url: workbench.elasticsearch.url, mostScanned }, settings);
    };
    const search = async (mostScanned: number, query: Readonly<Record<string, string>>, cluster = 'wide') => {
      const parameters = parseParameters(new URLSearchParams({ limit: '1000', ...query }), [flows]);
      const found = await storeOf(mostScanned).search(
        { clusters: [cluster], types: [flows], ...parameters },
        new AbortController().signal,
      );
      return found.records.length;
    };
    const top = async (mostScanned: number, query: Readonly<Record<string, string>>) => {
      const asked = parseAggregation(new URLSearchParams({ by: 'namespace', ...query }), [flows]);
      const signal = new AbortController().signal;
      return await storeOf(mostScanned).aggregate({ clusters: ['wide'], types: [flows], ...asked }, signal);
    };
    const until = new Date(NOON + 10_000).toISOString();
    const ANY = { query: 'action = deny' };
    const LEADING = { query: 'source_name IN {"*b"}' };

    it(`is refused by what it would look through of its own cluster and time, ${layout}`, async () => {
      // Other clusters' records do not count.
      assert.equal(await search(90, ANY), 90);
      await assert.rejects(search(89, ANY), (error) => {
        assert.ok(error instanceof ScanTooWide);
        assert.match(
          error.message,
          /: 90 records of flow logs of cluster "wide" are of that time, and 89 are the most/,
        );
        return true;
      });
      assert.equal(await search(10, { ...ANY, until }), 10);
      await assert.rejects(search(9, { ...ANY, until }), ScanTooWide);
      assert.equal(await search(900, LEADING), 90);
      await assert.rejects(search(899, LEADING), /as "\*b" does$/);
      assert.deepEqual([await search(0, LEADING), await search(1, {})], [90, 90]);
    });

    it(`is answered where the newest are found soon enough, whatever time it is about, ${layout}`, async () => {
      const newest = { ...ANY, order: 'desc', until: new Date(NOON).toISOString() };
      // Six of them are of the last hour, and 24 of the four before, which are looked through next.
      assert.equal(await search(6, { ...newest, limit: '5' }, 'long'), 5);
      await assert.rejects(
        search(5, { ...newest, limit: '5' }, 'long'),
        /: 72 records of flow logs .+, and 5 are the most/,
      );
      assert.equal(await search(30, { ...newest, limit: '20' }, 'long'), 20);
      await assert.rejects(
        search(29, { ...newest, limit: '20' }, 'long'),
        /: 72 records of flow logs .+, and 29 are the/,
      );
      await assert.rejects(search(71, newest, 'long'), ScanTooWide);
    });

    it(`is refused where all of it would be counted, whether there is a filter or not, ${layout}`, async () => {
      await top(90, {});
      await assert.rejects(top(89, {}), ScanTooWide);
      await top(10, { until });
      await assert.rejects(top(9, { until }), ScanTooWide);
      await top(0, LEADING);
      await top(900, LEADING);
      await assert.rejects(top(899, LEADING), ScanTooWide);
    });
  }
});

describe('a manager with --query-records', () => {
  let ask: Ask;
  let manager: ServerProcess | undefined;

  after(() => manager?.stop());
  before(async () => {
    const [clusters = 0, api = 0, health = 0] = await freePorts(3);
    const ports = { clusters, api, health };
    manager = await workbench.startManager({ ports, flags: [`--query-records=${MOST}`] });
    const { credentials } = await addSender(workbench, 'costly');
    const lines = [...generateFlows({ seed: 5, count: MOST + 1, from: Date.now() - 1_800_000, to: Date.now() })];
    const { code, text } = await post(credentials, '/api/v1/flows/logs/bulk', `${lines.join('\n')}\n`);
    assert.equal(code, 200, text);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const own = new Workbench({ ...workbench.facts, managerPorts: ports });
    ask = await managerPort(own, frontProxyKeys(workbench));
  });

  it('answers with a Status that says what to narrow', async () => {
    const headers = { 'X-Remote-User': 'admin', 'X-Remote-Group': 'system:masters' };
    const path = '/apis/lma.tigera.io/v1/costly/flows';
    const refused = await ask(`${path}?query=action+%3D+deny`, { headers });
    assert.equal(refused.code, 400, refused.text);
    const { kind, reason, message } = JSON.parse(refused.text);
    assert.deepEqual([kind, reason], ['Status', 'BadRequest']);
    assert.match(
      message,
      /^too much to look through: 101 records of flow logs of cluster "costly" are of that time, and 100 are the most for such a query: ask for a shorter time \(since, until\)$/,
    );
    // Of the last minutes there are not as many: the newest that they have are the newest of all.
    const newest = await ask(`${path}?query=action+%3D+deny&order=desc&limit=1`, { headers });
    assert.deepEqual([newest.code, JSON.parse(newest.text).items?.length], [200, 1], newest.text);
    const since = new Date(Date.now() + 1000).toISOString();
    assert.equal((await ask(`${path}?query=action+%3D+deny&since=${since}`, { headers })).code, 200);
    assert.equal((await ask(path, { headers })).code, 200);
  });
});
