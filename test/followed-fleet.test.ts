import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it, type TestContext } from 'node:test';
import { managedCluster } from '../src/clusters/managed-cluster.ts';
import { dayOf } from '../src/logs/record/time.ts';
import { IndexNames } from '../src/logs/store/elasticsearch/index-names.ts';
import { DEFAULT_LAYOUT, LayoutHistory } from '../src/logs/store/elasticsearch/layout.ts';
import { flows } from '../src/logs/types/flows.ts';
import { Elasticsearch } from '../testbed/elasticsearch/elasticsearch.ts';
import { userKeys } from '../testbed/kubernetes/cluster.ts';
import type { ServerProcess } from '../testbed/processes.ts';
import { Bench } from './conformance/store-bench.ts';
import { Follower } from './follower.ts';
import { apiServicesAre, eventually, grant, newFolder, sharedWorkbench } from './harness.ts';
import { type OwnManagement, startOwnManagement } from './own-management.ts';
import { adminClient } from './proxies.ts';

const shared = sharedWorkbench();
const CLUSTERS = Array.from({ length: 300 }, (_, n) => `fleet-${String(n).padStart(3, '0')}`);
/** Measurements of each round, with somebody who follows and without. */
const ROUNDS = 8;
const MEASUREMENTS = 4;

let own: OwnManagement;
let manager: ServerProcess;
let elasticsearch: Elasticsearch;
let bench: Bench;

before(async () => {
  elasticsearch = await Elasticsearch.start(newFolder(shared, 'fleet-es'), () => undefined);
  own = await startOwnManagement(shared, 'fleet');
  manager = await own.workbench.startManager({ elasticsearchUrl: elasticsearch.url });
  const client = adminClient(own.workbench);
  await Promise.all(CLUSTERS.map((name) => client.create(managedCluster(name, {}))));
  await grant(own.workbench, 'watcher', { resources: ['*'] });
  const { workbench } = own;
  const lister = ['--verb=list', '--resource=namespaces'];
  await workbench.mustKubectl(['create', 'clusterrole', 'namespace-lister', ...lister]);
  for (const [user, role] of [
    ['watcher', 'kubectl-mcm-viewer'],
    ['bystander', 'namespace-lister'],
  ] as const) {
    await workbench.mustKubectl([
      'create',
      'clusterrolebinding',
      `${user}-${role}`,
      '--clusterrole',
      role,
      '--user',
      user,
    ]);
  }
  bench = new Bench(elasticsearch, new LayoutHistory([{ from: '', ...DEFAULT_LAYOUT }]));
  await createDays();
  await elasticsearch.request('POST', '/_refresh');
  await apiServicesAre(own.workbench, 'True');
});
after(async () => {
  await bench?.store.close();
  await manager?.stop();
  await own?.cluster.stop();
  await elasticsearch?.stop();
});

/** The first record of each cluster, all at once: so many indices are created together much sooner than one by one. */
async function createDays(): Promise<void> {
  const time = Date.now();
  const names = new IndexNames(bench.settings);
  const lines = CLUSTERS.flatMap((cluster) => {
    const { index } = names.day(flows, cluster, dayOf(time));
    const record = { end_time: time / 1000, action: 'deny', cluster, ingested: time, '@timestamp': time };
    return [{ create: { _index: index, _id: `${cluster}/first` } }, record].map((line) => JSON.stringify(line));
  });
  const headers = { 'content-type': 'application/x-ndjson' };
  const body = `${lines.join('\n')}\n`;
  const response = await fetch(`${elasticsearch.url}/_bulk?timeout=10m`, { method: 'POST', headers, body });
  assert.match(await response.text(), /"errors":false/);
}

async function write(cluster: string): Promise<void> {
  await bench.write(cluster, [JSON.stringify({ end_time: Date.now() / 1000, action: 'deny', n: Math.random() })]);
}

/** Arguments that make kubectl that user. */
async function as(name: string): Promise<string[]> {
  const { certificate, key } = await userKeys(own.workbench.facts.management, { name });
  const files = [certificate, key].map((text, at) => {
    const file = join(shared.directory, `fleet-${name}-${at}.pem`);
    writeFileSync(file, text);
    return file;
  });
  return ['--client-certificate', files[0] ?? '', '--client-key', files[1] ?? ''];
}

/** Requests that kube-apiserver has answered 429, or had no place for. */
async function rejected(): Promise<number> {
  const text = await own.workbench.mustKubectl(['get', '--raw', '/metrics']);
  const counts = text.matchAll(
    /^(?:apiserver_flowcontrol_rejected_requests_total\{.*\}|apiserver_request_total\{.*code="429".*\}) (\d+)$/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

it('somebody who follows 300 clusters slows nobody else down', async (t: TestContext) => {
  const bystander = await as('bystander');
  const watcher = await as('watcher');
  const measure = async (times: number[]) => {
    for (let n = 0; n < MEASUREMENTS; n++) {
      const started = performance.now();
      await own.workbench.mustKubectl(['get', 'namespaces', ...bystander]);
      times.push(performance.now() - started);
    }
  };
  const [without, during]: [number[], number[]] = [[], []];
  const before = await rejected();
  await measure(without);
  const args = ['-l', '!absent', '--since', '1h', '-o', 'jsonpath={.cluster}', ...watcher];
  const following = new Follower(own.workbench, args, t);
  await eventually(async () => new Set(following.lines).size === CLUSTERS.length, 60_000);
  // By turns, since these machines have others to serve as well.
  for (let round = 0; round < ROUNDS; round++) {
    const arriving = CLUSTERS.slice(round * 10, round * 10 + 10).map((cluster) => write(cluster));
    await measure(during);
    await Promise.all(arriving);
    following.pause();
    await measure(without);
    following.resume();
  }
  // It has gone on all the time, and each record came once.
  const shown = CLUSTERS.length + ROUNDS * 10;
  await eventually(async () => following.lines.length >= shown);
  const { stdout, stderr } = await following.stop();
  assert.deepEqual([stdout.split('\n').length - 1, stderr], [shown, '']);
  const ratio = median(during) / median(without);
  t.diagnostic(
    `kubectl get namespaces: ${median(without).toFixed(0)} ms, while 300 clusters are followed ${median(during).toFixed(0)} ms (${ratio.toFixed(2)} times)`,
  );
  assert.equal((await rejected()) - before, 0);
  assert.ok(ratio <= 2, `${ratio} times`);
});
