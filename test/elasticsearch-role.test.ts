import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { it } from 'node:test';
import { parseParameters } from '../src/logs/query/log-query.ts';
import { RecordReader } from '../src/logs/record/record.ts';
import { ElasticsearchStore } from '../src/logs/store/elasticsearch/elasticsearch-store.ts';
import { DEFAULT_LAYOUT } from '../src/logs/store/elasticsearch/layout.ts';
import { CurrentSettings } from '../src/logs/store/store-settings.ts';
import { flows } from '../src/logs/types/flows.ts';
import { passOn } from './elasticsearch-front.ts';
import { sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

/** What Elasticsearch's documentation says that a request takes; the testbed's has no security to ask. */
const PRIVILEGES: readonly (readonly [request: RegExp, on: 'cluster' | 'index', privilege: string])[] = [
  [/^GET \/_cluster\/(health|settings)$|^GET \/_nodes\/_local\/_none$/, 'cluster', 'monitor'],
  [/^PUT \/_(index|component)_template\/kubectl-mcm-[-a-z0-9_]+$/, 'cluster', 'manage_index_templates'],
  [/^GET \/_ilm\/policy\/[^/]+$/, 'cluster', 'read_ilm'],
  [/^POST \/_bulk$/, 'index', 'create_doc'],
  [/^POST \/[^/]+\/_search$|^GET \/[^/]+\/_count$|^POST \/_(mget|msearch)$/, 'index', 'read'],
  [/^(GET|PUT) \/[^/]+\/_mapping$/, 'index', 'manage'],
  [/^GET \/_cat\/indices\/[^/]+$/, 'index', 'manage'],
  [/^(HEAD|PUT|DELETE) \/[a-z][^/*]*$/, 'index', 'manage'],
];

it('the role in deploy/ allows every request of the store, and has no privilege that none takes', async (t) => {
  const seen = new Set<string>();
  const proxy = createServer((incoming, response) => {
    const { method, url = '' } = incoming;
    seen.add(`${method} ${url.split('?')[0]}`);
    incoming.pipe(passOn(incoming, response, workbench.facts.elasticsearchUrl));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.close().closeAllConnections());
  const { signal } = new AbortController();
  const settings = new CurrentSettings();
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const store = new ElasticsearchStore({ url }, settings);
  t.after(() => store.close());

  const source = { cluster: 'role', host: 'n', position: undefined };
  const bytes = Buffer.from(`{"end_time":${Math.floor(Date.now() / 1000)}}`);
  const line = { offset: 0, bytes, length: bytes.length };
  const read = new RecordReader(flows, source).read(line);
  assert.ok(read.kind === 'record');
  const records = [{ ...read.record, checksum: 'x' }];
  for (let time = 0; time < 2; time++) await store.write({ type: flows, source, records }, signal);
  await store.setAside([{ id: 'x', line, reason: 'because' }], flows, source, signal);
  const types = [flows];
  const query = {
    clusters: ['role'],
    types,
    ...parseParameters(new URLSearchParams({ query: 'action = deny' }), types),
  };
  await store.search(query, signal);
  const together = store.together();
  await Promise.all([together.search(query, signal), together.search(query, signal)]);
  assert.ok(seen.has('POST /_msearch'));
  await store.ping(signal);
  await store.days.measure(signal);
  await store.days.refuseLayout(DEFAULT_LAYOUT, 1, signal);
  await store.days.round(Date.now(), signal);
  await store.report.facts(signal);
  await store.report.deadLetters(Date.now(), signal);
  settings.ilmPolicy = 'none';
  await store.refusePolicy(signal);

  const role = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'deploy', 'elasticsearch-role.json'), 'utf8'));
  const [indices] = role.indices;
  const needed = { cluster: new Set<string>(), index: new Set<string>() };
  for (const one of seen) {
    const found = PRIVILEGES.find(([form]) => form.test(one));
    assert.ok(found, `${one} is in no privilege`);
    needed[found[1]].add(found[2]);
  }
  // Days are closed and deleted by what the conformance of the store shows, under the same privilege.
  assert.deepEqual([...needed.cluster].sort(), role.cluster.toSorted());
  assert.deepEqual([...needed.index].sort(), indices.privileges.toSorted());
  assert.deepEqual(indices.names, ['tigera_secure_ee_*', 'kubectl_mcm_dead_letters.*', 'kubectl_mcm_gaps.*']);
});
