import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { Elasticsearch } from '../testbed/elasticsearch/elasticsearch.ts';
import { freePorts, type Outcome } from '../testbed/processes.ts';
import { addSender, credentialsFolder, mcm, newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const RECORDS = 20_000;
const FLOWS = 'tigera_secure_ee_flows.storeless.*';
const DNS = 'tigera_secure_ee_dns.storeless.*';
const DEAD_LETTERS = 'kubectl_mcm_dead_letters.*';
const SMALL = ['--chunk-bytes', '65536', '--retry-for', '1s', '-v', '2'];

// A second manager of the same management cluster, with an Elasticsearch of its own that is not there at first.
describe('when Elasticsearch', { concurrency: false }, () => {
  const stops: (() => Promise<unknown>)[] = [];
  const now = Date.now();
  const range = { from: now - 60_000, to: now };
  let folder: string;
  let credentials: string;
  let elasticsearch: Elasticsearch;
  let [clusters, api, health, port]: number[] = [];

  const startElasticsearch = async (data: string) => {
    const started = await Elasticsearch.start(join(folder, data), () => undefined, { port: Number(port) });
    stops.push(() => started.stop());
    return started;
  };
  const forward = async (args: readonly string[], onOutput?: (text: string) => void): Promise<Outcome> => {
    const always = ['forward', '--once', '--credentials', credentials, '--state', join(folder, 'state')];
    return await mcm(workbench, [...always, ...args], onOutput === undefined ? {} : { onOutput });
  };
  const write = (name: string, lines: Iterable<string>): string => {
    const path = join(folder, name);
    writeFileSync(path, `${[...lines].join('\n')}\n`);
    return path;
  };

  before(async () => {
    folder = newFolder(workbench, 'storeless');
    [clusters, api, health, port] = await freePorts(4);
    const manager = await workbench.startManager({
      ports: { clusters: Number(clusters), api: Number(api), health: Number(health) },
      elasticsearchUrl: `http://127.0.0.1:${port}`,
      readyPath: '/livez',
    });
    stops.push(() => manager.stop());
    const sender = await addSender(workbench, 'storeless');
    credentials = credentialsFolder(folder, sender.credentials, { address: `127.0.0.1:${clusters}` });
  });
  after(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  it('is not there yet, everything is left for the next run', async () => {
    const log = write('flows.log', generateFlows({ seed: 6, count: RECORDS, ...range }));
    const ready = await fetch(`http://127.0.0.1:${health}/readyz`);
    // Ready all the same: kube-apiserver and clusters are told why, instead of finding nobody.
    assert.equal(ready.status, 200);
    assert.match(
      await ready.text(),
      /^\[-\]log-store failed: Elasticsearch cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+\n(\[\+\].+ ok\n)+readyz check passed$/m,
    );
    const never = await forward(['--flow', log, ...SMALL]);
    assert.equal(never.code, 3);
    assert.match(never.stdout, /^storeless: 0 records shipped/);
    assert.match(
      never.stderr,
      /cannot take records now: Elasticsearch cannot be reached: connect ECONNREFUSED \S+; the rest is left for the next run\n$/,
    );
  });

  it('is killed in the middle of a run, the next run ships the rest', async () => {
    const log = join(folder, 'flows.log');
    const first = await startElasticsearch('elasticsearch');
    let acknowledged = 0;
    const cut = await forward(['--flow', log, ...SMALL], (text) => {
      acknowledged += text.match(/acknowledged up to/g)?.length ?? 0;
      if (acknowledged >= 20) first.stop('SIGKILL');
    });
    assert.equal(cut.code, 3, cut.stdout);
    const shipped = Number(/^storeless: (\d+) records shipped/.exec(cut.stdout)?.[1]);
    assert.ok(shipped > 0 && shipped < RECORDS, `${shipped} of ${RECORDS} in the run that was cut`);

    elasticsearch = await startElasticsearch('elasticsearch');
    const next = await forward(['--flow', log]);
    assert.equal(next.code, 0, next.stderr);
    assert.match(next.stdout, new RegExp(`^storeless: ${RECORDS - shipped} records shipped`));
    assert.equal(await elasticsearch.count(FLOWS), RECORDS);
  });

  // Elasticsearch says 400 to each document then, which is no fault of the documents.
  it('may hold no more shards, nothing is given up', async () => {
    const limit = async (shards: number | null) =>
      await elasticsearch.request('PUT', '/_cluster/settings', {
        persistent: { 'cluster.max_shards_per_node': shards },
      });
    const log = write('dns.log', generateDns({ seed: 6, count: 100, ...range }));
    await limit(1);
    const full = await forward(['--dns', log, '--retry-for', '1s']);
    assert.equal(full.code, 3, full.stdout);
    assert.match(full.stderr, /maximum.*shards/);
    assert.equal(await elasticsearch.count(DEAD_LETTERS), 0);
    await limit(null);
    const next = await forward(['--dns', log]);
    assert.deepEqual([next.code, next.stderr], [0, '']);
    assert.deepEqual([await elasticsearch.count(DNS), await elasticsearch.count(DEAD_LETTERS)], [100, 0]);
  });

  it('comes back empty, its indices get our mappings all the same', async () => {
    await elasticsearch.stop();
    const down = await forward(['--flow', write('more.log', ['{"n":1}']), '--retry-for', '1s']);
    assert.equal(down.code, 3, down.stdout);
    elasticsearch = await startElasticsearch('another');
    const log = write('flows-2.log', generateFlows({ seed: 7, count: 10, ...range }));
    const next = await forward(['--flow', log]);
    assert.equal(next.code, 0, next.stderr);
    const mappings = (await elasticsearch.request('GET', `/${FLOWS}/_mapping`)) as Record<
      string,
      { mappings: { dynamic: string; properties: Record<string, { type: string }> } }
    >;
    const [index] = Object.values(mappings);
    assert.deepEqual(
      [index?.mappings.dynamic, index?.mappings.properties.source_ip?.type, index?.mappings.properties.cluster?.type],
      ['false', 'ip', 'keyword'],
    );
  });
});
