import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { eventually, getObject, post, sharedWorkbench } from './harness.ts';
import { FLOWS, indexOf, SpoolingManager } from './spooling-manager.ts';

const workbench = sharedWorkbench();
const DNS = '/api/v1/dns/logs/bulk';
const DAY = 86_400_000;

describe('a spool', { concurrency: false }, () => {
  let spooling: SpoolingManager;
  before(async () => {
    spooling = await SpoolingManager.start(workbench);
  });
  after(async () => {
    await spooling?.stop();
  });

  it('takes what comes while Elasticsearch is down, and gets it there in order', async () => {
    const uploads = await spooling.uploadsOf('spooled');
    assert.equal((await uploads.post(100)).code, 200);
    await spooling.drained('spooled');
    await spooling.elasticsearch.stop('SIGKILL');
    for (let n = 0; n < 20; n++) {
      const answer = await uploads.post(500, { padding: 200 });
      assert.equal(answer.code, 200, answer.text);
      assert.deepEqual(JSON.parse(answer.text), { accepted: 500, known: 0, setAside: 0, reasons: [] });
    }
    assert.equal(await spooling.waiting('records', 'spooled'), 10_000);
    const status = async () => (await getObject<ManagedCluster>(workbench, 'managedcluster', 'spooled')).status;
    await eventually(async () => Number((await status())?.spooled?.records) > 0);
    assert.ok((await spooling.waiting('bytes', 'spooled')) > 10_000 * 200);
    assert.ok((await spooling.waiting('oldest_seconds', 'spooled')) > 0);
    assert.match(
      await spooling.health('/readyz'),
      /^\[\+\]log-store ok \(spooling: Elasticsearch cannot be reached: .+; 10000 records of 1 clusters wait in the spool\)$/m,
    );
    await spooling.startElasticsearch();
    await spooling.drained('spooled');
    assert.equal((await uploads.post(100)).code, 200);
    assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'spooled')), 10_200);
    assertOrder(await spooling.stored('spooled'));
    assert.match(await spooling.health('/readyz'), /^\[\+\]log-store ok$/m);
    await eventually(async () => (await status())?.spooled === undefined);
    await eventually(async () => spooling.segments().length === 0);
  });

  it('takes what Elasticsearch is too slow for', async () => {
    const uploads = await spooling.uploadsOf('slow');
    await uploads.post(100);
    await spooling.withoutStore(async () => {
      const started = performance.now();
      assert.equal((await uploads.post(100)).code, 200);
      assert.ok(performance.now() - started < 15_000, 'nobody waits long for it');
      await eventually(async () => /spooling: /.test(await spooling.health('/readyz')));
      const next = performance.now();
      for (let n = 0; n < 10; n++) assert.equal((await uploads.post(100)).code, 200);
      assert.ok(performance.now() - next < 10_000, 'then nobody waits for it at all');
    });
    await spooling.drained('slow');
    assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'slow')), 1_200);
  });

  it('keeps what one index does not take, while all others go on', async () => {
    const [held, other] = [await spooling.uploadsOf('held-back'), await spooling.uploadsOf('not-held-back')];
    const yesterday = Date.now() - DAY;
    await held.post(10);
    await held.post(10, { time: yesterday });
    await other.post(10);
    const [index = ''] = Object.keys(
      (await spooling.elasticsearch.request('GET', `/${indexOf('flows', 'held-back')}/_settings`)) as object,
    ).sort();
    await spooling.elasticsearch.request('PUT', `/${index}/_settings`, { 'index.blocks.write': true });
    assert.equal((await held.post(100, { time: yesterday })).code, 200);
    assert.equal((await held.post(100)).code, 200);
    assert.equal((await held.post(100, { path: DNS })).code, 200);
    assert.equal((await other.post(100)).code, 200);
    await eventually(async () => (await spooling.waiting('records', 'held-back')) === 100);
    assert.equal(await spooling.waiting('records', 'not-held-back'), 0);
    assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'not-held-back')), 110);
    assert.equal(await spooling.elasticsearch.count(indexOf('dns', 'held-back')), 100);
    // A closed one is not there for writing either.
    await spooling.elasticsearch.request('PUT', `/${index}/_settings`, { 'index.blocks.write': null });
    await spooling.drained('held-back');
    await spooling.elasticsearch.request('POST', `/${index}/_close`);
    assert.equal((await held.post(50, { time: yesterday })).code, 200);
    await eventually(async () => (await spooling.waiting('records', 'held-back')) === 50);
    await spooling.elasticsearch.request('POST', `/${index}/_open`);
    await spooling.drained('held-back');
    assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'held-back')), 270);
  });

  it('keeps what needs a new index while there may be no more shards', async () => {
    const [known, fresh] = [await spooling.uploadsOf('shards-known'), await spooling.uploadsOf('shards-new')];
    await known.post(10);
    const limit = async (shards: number | null) =>
      await spooling.elasticsearch.request('PUT', '/_cluster/settings', {
        persistent: { 'cluster.max_shards_per_node': shards },
      });
    await limit(1);
    assert.equal((await fresh.post(100)).code, 200);
    assert.equal((await known.post(100)).code, 200);
    await eventually(async () => (await spooling.waiting('records', 'shards-known')) === 0);
    assert.equal(await spooling.waiting('records', 'shards-new'), 100);
    assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'shards-known')), 110);
    await limit(null);
    await spooling.drained('shards-new');
    assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'shards-new')), 100);
    assert.equal(await spooling.elasticsearch.count('kubectl_mcm_dead_letters.*'), 0);
  });

  it('keeps dead letters too, and makes them of what Elasticsearch refuses later', async () => {
    const credentials = await spooling.credentialsOf('spooled-letters');
    const end = Math.floor(Date.now() / 1000);
    const lines = [`{"end_time":${end}}`, 'no JSON', `{"end_time":${end},"bytes_in":"many"}`];
    await spooling.withoutStore(async () => {
      const answer = await post(credentials, FLOWS, lines.join('\n'));
      assert.equal(answer.code, 200, answer.text);
      const { accepted, setAside } = JSON.parse(answer.text) as { accepted: number; setAside: number };
      assert.deepEqual([accepted, setAside], [2, 1]);
    });
    await spooling.drained('spooled-letters');
    assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'spooled-letters')), 1);
    assert.equal(await spooling.elasticsearch.count('kubectl_mcm_dead_letters.spooled-letters.*'), 2);
  });
});

/** Records that came later were written later, but for the first hundred, which were not spooled. */
function assertOrder(records: readonly { readonly n: number; readonly ingested: number }[]): void {
  let [highest, ingested, before] = [-1, 0, -1];
  for (const record of records.filter(({ n }) => n >= 100)) {
    if (record.ingested !== ingested) [ingested, before] = [record.ingested, highest];
    assert.ok(record.n > before, `${record.n} was written after ${before}`);
    highest = Math.max(highest, record.n);
  }
}
