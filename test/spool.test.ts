import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import { Elasticsearch } from '../testbed/elasticsearch/elasticsearch.ts';
import { freePorts, mustRun, type ServerProcess } from '../testbed/processes.ts';
import type { ManagerPorts } from '../testbed/testbed.ts';
import { addSender, eventually, type HttpAnswer, newFolder, post, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const FLOWS = '/api/v1/flows/logs/bulk';
const DNS = '/api/v1/dns/logs/bulk';
const DAY = 86_400_000;
const indexOf = (type: string, cluster: string) => `tigera_secure_ee_${type}.${cluster}.*`;

/** Uploads of one cluster, as a shipper makes them that says where its lines stand. */
class Uploads {
  readonly cluster: string;
  readonly #credentials: ForwarderCredentials;
  readonly #time = Date.now();
  #offset = 0;
  /** How many records were answered 200. */
  sent = 0;

  constructor(cluster: string, credentials: ForwarderCredentials) {
    this.cluster = cluster;
    this.#credentials = credentials;
  }

  /** Posts so many records, padded to some size; `n` goes on counting. */
  async post(count: number, options: { path?: string; padding?: number; time?: number } = {}): Promise<HttpAnswer> {
    const { path = FLOWS, padding = 0, time = this.#time } = options;
    const end = Math.floor(time / 1000);
    const line = (n: number) => `{"end_time":${end},"n":${n},"padding":"${'x'.repeat(padding)}"}\n`;
    const body = Array.from({ length: count }, (_, at) => line(this.sent + at)).join('');
    const answer = await post(this.#credentials, path, body, {
      headers: {
        'kubectl-mcm-host': 'node-1',
        'kubectl-mcm-file-key': '0'.repeat(32),
        'kubectl-mcm-offset': String(this.#offset),
      },
    });
    if (answer.code === 200) {
      this.sent += count;
      this.#offset += body.length;
    }
    return answer;
  }
}

// A second manager of the same management cluster, with a spool and an Elasticsearch of its own.
describe('a spool', { concurrency: false }, () => {
  let folder: string;
  let ports: ManagerPorts;
  let elasticsearchPort: number;
  let elasticsearch: Elasticsearch;
  let manager: ServerProcess;
  let spoolDirectory: string;

  const startElasticsearch = async () => {
    elasticsearch = await Elasticsearch.start(join(folder, 'elasticsearch'), () => undefined, {
      port: elasticsearchPort,
    });
  };
  const startManager = async () => {
    manager = await workbench.startManager({
      ports,
      elasticsearchUrl: `http://127.0.0.1:${elasticsearchPort}`,
      flags: [`--spool=${spoolDirectory}`, '--spool-size=64Mi'],
    });
  };
  const uploadsOf = async (cluster: string): Promise<Uploads> => {
    const { credentials } = await addSender(workbench, cluster);
    const own = { ...credentials, address: `127.0.0.1:${ports.clusters}` };
    await eventually(async () => (await post(own, FLOWS, '')).code === 200);
    return new Uploads(cluster, own);
  };
  const health = async (path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${ports.health}${path}`, { headers: { connection: 'close' } });
    return await response.text();
  };
  /** A gauge of the backlog; 0 where nothing waits. */
  const waiting = async (name: string, cluster: string): Promise<number> => {
    const line = new RegExp(`^kubectl_mcm_spool_${name}\\{cluster="${cluster}",type="flows"\\} (\\S+)$`, 'm');
    return Number(line.exec(await health('/metrics'))?.[1] ?? 0);
  };
  const drained = async (cluster: string) => {
    await eventually(async () => (await waiting('records', cluster)) === 0, 60_000);
  };
  /** While Elasticsearch answers nobody. */
  const withoutStore = async (work: () => Promise<unknown>) => {
    elasticsearch.freeze(true);
    await work().finally(() => elasticsearch.freeze(false));
  };
  const files = () => readdirSync(spoolDirectory).filter((name) => name.endsWith('.frames'));

  before(async () => {
    folder = newFolder(workbench, 'spool');
    spoolDirectory = join(folder, 'spool');
    const [clusters = 0, api = 0, healthPort = 0, port = 0] = await freePorts(4);
    ports = { clusters, api, health: healthPort };
    elasticsearchPort = port;
    await startElasticsearch();
    await startManager();
  });
  after(async () => {
    await manager.stop();
    await elasticsearch.stop('SIGKILL');
  });

  it('takes what comes while Elasticsearch is down, and gets it there in order', async () => {
    const uploads = await uploadsOf('spooled');
    assert.equal((await uploads.post(100)).code, 200);
    await drained('spooled');
    await elasticsearch.stop('SIGKILL');
    for (let n = 0; n < 20; n++) {
      const answer = await uploads.post(500, { padding: 200 });
      assert.equal(answer.code, 200, answer.text);
      assert.deepEqual(JSON.parse(answer.text), { accepted: 500, known: 0, setAside: 0, reasons: [] });
    }
    assert.equal(await waiting('records', 'spooled'), 10_000);
    assert.ok((await waiting('bytes', 'spooled')) > 10_000 * 200);
    assert.ok((await waiting('oldest_seconds', 'spooled')) > 0);
    assert.match(
      await health('/readyz'),
      /^\[\+\]log-store ok \(spooling: Elasticsearch cannot be reached: .+; 10000 records of 1 clusters wait in the spool\)$/m,
    );
    await startElasticsearch();
    await drained('spooled');
    assert.equal((await uploads.post(100)).code, 200);
    assert.equal(await elasticsearch.count(indexOf('flows', 'spooled')), 10_200);
    await inOrder(elasticsearch, 'spooled');
    assert.match(await health('/readyz'), /^\[\+\]log-store ok$/m);
    await eventually(async () => files().length === 0);
  });

  it('takes what Elasticsearch is too slow for', async () => {
    const uploads = await uploadsOf('slow');
    await uploads.post(100);
    await withoutStore(async () => {
      const started = performance.now();
      assert.equal((await uploads.post(100)).code, 200);
      assert.ok(performance.now() - started < 15_000, 'nobody waits long for it');
      await eventually(async () => /spooling: /.test(await health('/readyz')));
      const next = performance.now();
      for (let n = 0; n < 10; n++) assert.equal((await uploads.post(100)).code, 200);
      assert.ok(performance.now() - next < 10_000, 'then nobody waits for it at all');
    });
    await drained('slow');
    assert.equal(await elasticsearch.count(indexOf('flows', 'slow')), 1_200);
  });

  it('keeps what one index does not take, while all others go on', async () => {
    const [held, other] = [await uploadsOf('held-back'), await uploadsOf('not-held-back')];
    const yesterday = Date.now() - DAY;
    await held.post(10);
    await held.post(10, { time: yesterday });
    await other.post(10);
    const [index = ''] = Object.keys(
      (await elasticsearch.request('GET', `/${indexOf('flows', 'held-back')}/_settings`)) as object,
    ).sort();
    await elasticsearch.request('PUT', `/${index}/_settings`, { 'index.blocks.write': true });
    assert.equal((await held.post(100, { time: yesterday })).code, 200);
    assert.equal((await held.post(100)).code, 200);
    assert.equal((await held.post(100, { path: DNS })).code, 200);
    assert.equal((await other.post(100)).code, 200);
    await eventually(async () => (await waiting('records', 'held-back')) === 100);
    assert.equal(await waiting('records', 'not-held-back'), 0);
    assert.equal(await elasticsearch.count(indexOf('flows', 'not-held-back')), 110);
    assert.equal(await elasticsearch.count(indexOf('dns', 'held-back')), 100);
    // A closed one is not there for writing either.
    await elasticsearch.request('PUT', `/${index}/_settings`, { 'index.blocks.write': null });
    await drained('held-back');
    await elasticsearch.request('POST', `/${index}/_close`);
    assert.equal((await held.post(50, { time: yesterday })).code, 200);
    await eventually(async () => (await waiting('records', 'held-back')) === 50);
    await elasticsearch.request('POST', `/${index}/_open`);
    await drained('held-back');
    assert.equal(await elasticsearch.count(indexOf('flows', 'held-back')), 270);
  });

  it('keeps what needs a new index while there may be no more shards', async () => {
    const [known, fresh] = [await uploadsOf('shards-known'), await uploadsOf('shards-new')];
    await known.post(10);
    const limit = async (shards: number | null) =>
      await elasticsearch.request('PUT', '/_cluster/settings', {
        persistent: { 'cluster.max_shards_per_node': shards },
      });
    await limit(1);
    assert.equal((await fresh.post(100)).code, 200);
    assert.equal((await known.post(100)).code, 200);
    await eventually(async () => (await waiting('records', 'shards-known')) === 0);
    assert.equal(await waiting('records', 'shards-new'), 100);
    assert.equal(await elasticsearch.count(indexOf('flows', 'shards-known')), 110);
    await limit(null);
    await drained('shards-new');
    assert.equal(await elasticsearch.count(indexOf('flows', 'shards-new')), 100);
    assert.equal(await elasticsearch.count('kubectl_mcm_dead_letters.*'), 0);
  });

  it('keeps dead letters too, and makes them of what Elasticsearch refuses later', async () => {
    const { credentials } = await addSender(workbench, 'spooled-letters');
    const own = { ...credentials, address: `127.0.0.1:${ports.clusters}` };
    await eventually(async () => (await post(own, FLOWS, '')).code === 200);
    const end = Math.floor(Date.now() / 1000);
    const lines = [`{"end_time":${end}}`, 'no JSON', `{"end_time":${end},"source_ip":"no address"}`];
    await withoutStore(async () => {
      const answer = await post(own, FLOWS, lines.join('\n'));
      assert.equal(answer.code, 200, answer.text);
      const { accepted, setAside } = JSON.parse(answer.text) as { accepted: number; setAside: number };
      assert.deepEqual([accepted, setAside], [2, 1]);
    });
    await drained('spooled-letters');
    assert.equal(await elasticsearch.count(indexOf('flows', 'spooled-letters')), 1);
    assert.equal(await elasticsearch.count('kubectl_mcm_dead_letters.spooled-letters.*'), 2);
  });

  it('loses nothing when the manager is killed, while it is filled and while it is emptied', async () => {
    const uploads = await uploadsOf('spool-killed');
    for (let round = 0; round < 2; round++) {
      await withoutStore(async () => {
        const sending = (async () => {
          while ((await uploads.post(500, { padding: 2_000 })).code === 200);
        })().catch(() => undefined);
        await eventually(async () => (await waiting('records', 'spool-killed')) > 5_000);
        await manager.stop('SIGKILL');
        await sending;
        await startManager();
        assert.ok((await waiting('records', 'spool-killed')) > 5_000);
      });
      await eventually(async () => (await waiting('records', 'spool-killed')) < 4_000);
      await manager.stop('SIGKILL');
      await startManager();
      // As a sender does that has no answer: the same bytes from the same place.
      assert.equal((await uploads.post(500, { padding: 2_000 })).code, 200);
      await drained('spool-killed');
      assert.deepEqual(await numbersOf(elasticsearch, 'spool-killed'), { count: uploads.sent, ns: uploads.sent });
    }
  });

  it('says at once when it is full, and has room for another cluster', async () => {
    const [greedy, modest] = [await uploadsOf('greedy'), await uploadsOf('modest')];
    await withoutStore(async () => {
      const big = { padding: 4_000 };
      while ((await greedy.post(500, big)).code === 200);
      const started = performance.now();
      const refused = await greedy.post(500, big);
      assert.ok(performance.now() - started < 4_000);
      assert.deepEqual([refused.code, refused.text], [503, `{"error":"this cluster's share of the spool is full"}\n`]);
      assert.ok((await waiting('bytes', 'greedy')) > 24 * 1024 * 1024);
      assert.equal((await modest.post(500, big)).code, 200);
      assert.match(await health('/readyz'), /^\[\+\]log-store ok \(/m);
      const onDisk = files().reduce((sum, name) => sum + statSync(join(spoolDirectory, name)).size, 0);
      assert.ok(onDisk < 64 * 1024 * 1024);
    });
    await drained('greedy');
    await drained('modest');
    for (const { cluster, sent } of [greedy, modest]) {
      assert.equal(await elasticsearch.count(indexOf('flows', cluster)), sent);
    }
  });

  // A limit on the size of files stands for the full disk, which takes rights to make.
  it('says at once when the disk does not take it, and loses nothing that it had taken', async () => {
    const uploads = await uploadsOf('full-disk');
    const limit = async (bytes: string) => {
      await mustRun('prlimit', [`--pid=${manager.pid}`, `--fsize=${bytes}:`]);
    };
    await withoutStore(async () => {
      const big = { padding: 1_000 };
      assert.equal((await uploads.post(500, big)).code, 200);
      await limit(String(300 * 1024));
      for (let n = 0; n < 3; n++) {
        const refused = await uploads.post(500, big);
        assert.equal(refused.code, 503);
        assert.match(refused.text, /^\{"error":"the spool cannot be written: EFBIG: file too large, write"\}\n$/);
      }
      assert.match(await health('/readyz'), /^\[-\]log-store failed: .*; the spool cannot be written: EFBIG/m);
      assert.equal((await uploads.post(10)).code, 200);
      await limit('unlimited');
      assert.equal((await uploads.post(500, big)).code, 200);
      await manager.stop('SIGKILL');
      await startManager();
    });
    await drained('full-disk');
    assert.deepEqual([uploads.sent, await elasticsearch.count(indexOf('flows', 'full-disk'))], [1_010, 1_010]);
    assert.deepEqual(readdirSync(join(spoolDirectory, 'quarantine')), []);
  });
});

interface Found {
  readonly hits: {
    readonly hits: readonly {
      readonly _source: { readonly n: number; readonly ingested: number };
      readonly sort: readonly number[];
    }[];
  };
}

/** Records that were written later came later. */
async function inOrder(elasticsearch: Elasticsearch, cluster: string): Promise<void> {
  const { hits } = (await elasticsearch.request('POST', `/${indexOf('flows', cluster)}/_search`, {
    size: 10_000,
    sort: ['ingested'],
    _source: ['n', 'ingested'],
  })) as Found;
  let [highest, ingested, before] = [-1, 0, -1];
  for (const { _source: record } of hits.hits) {
    if (record.ingested !== ingested) [ingested, before] = [record.ingested, highest];
    assert.ok(record.n > before, `${record.n} was written after ${before}`);
    highest = Math.max(highest, record.n);
  }
}

/** How many records there are, and how many different `n` they have. */
async function numbersOf(elasticsearch: Elasticsearch, cluster: string): Promise<{ count: number; ns: number }> {
  const index = indexOf('flows', cluster);
  const count = await elasticsearch.count(index);
  const numbers = new Set<number>();
  let last: readonly number[] | undefined;
  for (;;) {
    const { hits } = (await elasticsearch.request('POST', `/${index}/_search`, {
      size: 10_000,
      sort: ['ingested', '_doc'],
      _source: ['n'],
      ...(last === undefined ? {} : { search_after: last }),
    })) as Found;
    if (hits.hits.length === 0) return { count, ns: numbers.size };
    for (const { _source } of hits.hits) numbers.add(_source.n);
    last = hits.hits.at(-1)?.sort;
  }
}
