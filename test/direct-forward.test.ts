import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { addSender, type ForwardReport, forward, mcm, newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const NOW = Date.now();
const TIME = `"end_time":${Math.floor(NOW / 1000)}`;

/** `forward --once` straight into Elasticsearch, with a state of its own. */
async function direct(cluster: string, file: string): Promise<ForwardReport['types'][number] | undefined> {
  const state = join(newFolder(workbench, cluster), 'state');
  const to = ['--elasticsearch', workbench.facts.elasticsearchUrl, '--cluster', cluster];
  const args = ['forward', '--once', ...to, '--state', state, '--host', 'node-1', '--flow', file, '-o', 'json'];
  const { code, stdout, stderr } = await mcm(workbench, args);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as ForwardReport).types[0];
}

/** Everything that is stored of a cluster, by its id, without the moment at which it was stored. */
async function stored(cluster: string): Promise<Record<string, object>> {
  await workbench.elasticsearch.request('POST', '/_refresh');
  const indices = `tigera_secure_ee_flows.${cluster}.*,kubectl_mcm_dead_letters.${cluster}.*`;
  const answer = await workbench.elasticsearch.request('POST', `/${indices}/_search`, { size: 10_000 });
  const { hits } = (answer as { hits: { hits: { _index: string; _id: string; _source: Record<string, unknown> }[] } })
    .hits;
  return Object.fromEntries(
    hits.map(({ _index, _id, _source: { ingested: _ingested, ...source } }) => {
      if (_index.includes('dead_letters')) delete source['@timestamp'];
      // What Elasticsearch says of a dead letter quotes it.
      const reason = String(source.reason).replaceAll(/ingested":\d+/g, 'ingested":');
      const text = JSON.stringify([`${_index}/${_id}`, { ...source, reason }]).replaceAll(cluster, 'CLUSTER');
      return JSON.parse(text) as [string, object];
    }),
  );
}

describe('forward --elasticsearch', () => {
  it('stores the records that the manager stores, under the same ids', async () => {
    const sender = await addSender(workbench, 'direct-known');
    const file = join(sender.folder, 'flows.log');
    const lines = [...generateFlows({ seed: 3, count: 3000, from: NOW - 36 * 3_600_000, to: NOW })];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { code, stderr } = await forward(workbench, sender, ['--flow', file]);
    assert.equal(code, 0, stderr);
    const again = await direct('direct-known', file);
    assert.deepEqual([again?.shipped, again?.known, again?.setAside], [3000, 3000, 0]);
    const other = await direct('direct-other', file);
    assert.deepEqual([other?.shipped, other?.known, other?.setAside], [3000, 0, 0]);
    assert.deepEqual(await stored('direct-other'), await stored('direct-known'));
  });

  it('makes of hostile lines what the manager makes of them', async () => {
    const sender = await addSender(workbench, 'direct-hostile-1');
    const file = join(sender.folder, 'flows.log');
    const hostile = [
      `{${TIME},"n":0,"\\u0063luster":"victim"} //}`,
      `{${TIME},"n":1,"cluste\\u0072":"victim"} /*}`,
      `{${TIME},/*"*/"n":2}`,
      `{${TIME},"n":3}"num_flows":3}`,
      `{${TIME},"n":4}{${TIME}}`,
      `{${TIME},"n":5},{${TIME}}`,
      `{${TIME},"n":6,"policies":{"all_policies":[]}`,
      `{${TIME},"n":7,"torn":"here`,
      `{${TIME},"n":8,"torn":"here}`,
      `{${TIME},"n":9,"list":[1}`,
      `{${TIME},"n":10,"cluster":"victim","@timestamp":1,"ingested":2,"_doc_count":1000}`,
      `{${TIME},"n":11,"\\u0063luster":"victim","ingeste\\u0064":2}`,
      `{${TIME},"n":12,"n":13}`,
      `{${TIME},"n":14,"bytes_in":"no number"}`,
      `{${TIME},"n":15,"a":nothing}`,
      `{${TIME},"n":16,,"a":1}`,
      `{${TIME},"n":17,'a':1}`,
      `{${TIME},"n":18,a:1}`,
      `{${TIME},"n":19,"a":"\t"}`,
      `{${TIME},"n":20,"a":1} }`,
      `{"a":{"end_time":5},${TIME},"n":21,"host":"own"}`,
      'no JSON at all',
    ];
    writeFileSync(file, `${hostile.map((line, n) => `{${TIME},"neighbour":${n}}\n${line}\n`).join('')}`);
    const { code, stdout, stderr } = await forward(workbench, sender, ['--flow', file, '-o', 'json']);
    assert.equal(code, 0, stderr);
    const [manager] = (JSON.parse(stdout) as ForwardReport).types;
    const own = await direct('direct-hostile-2', file);
    assert.deepEqual([own?.shipped, own?.setAside], [manager?.shipped, manager?.setAside]);
    const [there, here] = [await stored('direct-hostile-1'), await stored('direct-hostile-2')];
    assert.deepEqual(here, there);
    assert.equal(Object.keys(here).length, hostile.length * 2);
  });

  for (const [args, message] of [
    [['--elasticsearch', 'http://127.0.0.1:1'], /--elasticsearch needs --cluster NAME/],
    [['--cluster', 'a'], /--cluster needs --elasticsearch/],
    [['--elasticsearch', 'http://127.0.0.1:1', '--cluster', 'A.b'], /"A\.b" cannot be a cluster's name/],
    [['--elasticsearch', 'http://me:hunter2@127.0.0.1:1', '--cluster', 'a'], /the URL holds a user name or password/],
    [['--elasticsearch', 'http://127.0.0.1:1', '--cluster', 'a', '--credentials', 'x'], /give one of them/],
    [['--elasticsearch-credentials', 'x'], /--elasticsearch-credentials needs --elasticsearch/],
  ] as const) {
    it(`says what is wrong with ${args.join(' ')}`, async () => {
      const { code, stderr } = await mcm(workbench, ['forward', '--once', ...args]);
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /hunter2/);
    });
  }
});
