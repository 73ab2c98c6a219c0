import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { addSender, mcm, post, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const FLOWS = '/api/v1/flows/logs/bulk';
const AUDIT = '/api/v1/audit/logs/kube/bulk';
const NOW = Math.floor(Date.now() / 1000);
const TIME = `"end_time":${NOW}`;

interface Answer {
  readonly accepted: number;
  readonly setAside: number;
  readonly reasons: readonly { readonly reason: string }[];
}

/** Sends lines as one upload, which must be taken as a whole. */
async function send(sender: Sender, lines: readonly string[], path = FLOWS): Promise<Answer> {
  const { code, text } = await post(sender.credentials, path, `${lines.join('\n')}\n`);
  assert.equal(code, 200, text);
  return JSON.parse(text) as Answer;
}

/** What `logs -o json` shows of a cluster's flows. */
async function shown(cluster: string, ...args: readonly string[]): Promise<Record<string, unknown>[]> {
  await workbench.elasticsearch.request('POST', '/_refresh');
  const { code, stdout, stderr } = await mcm(workbench, ['logs', '--cluster', cluster, '-o', 'json', ...args]);
  assert.equal(code, 0, stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a line that Elasticsearch reads otherwise than JSON says', () => {
  for (const [what, line] of [
    // Elasticsearch's parser takes comments: these would hide what we add, and let the sender's word stand for it.
    ['a comment', `{${TIME},"\\u0063luster":"hostile-victim","\\u0040timestamp":1} //}`],
    ['a comment to the end', `{${TIME},"cluste\\u0072":"hostile-victim"} /*}`],
    ['a comment inside', `{${TIME},/*"*/"a":1}`],
    ['two records run into one another', `{${TIME}}"num_flows":3}`],
    ['two records', `{${TIME}}{${TIME}}`],
    ['an end too few', `{${TIME},"policies":{"all_policies":[]}`],
  ] as const) {
    it(`is set aside for ${what}, and its neighbours are stored`, async () => {
      const sender = await addSender(workbench, `hostile-${what.replaceAll(' ', '-')}`);
      const answer = await send(sender, [`{${TIME},"n":1}`, line, `{${TIME},"n":2}`]);
      assert.deepEqual([answer.accepted, answer.setAside], [2, 1]);
      assert.match(answer.reasons[0]?.reason ?? '', /not JSON/);
      assert.deepEqual((await shown(sender.cluster)).map(({ n }) => n).sort(), [1, 2]);
    });
  }
});

describe('a record', () => {
  let sender: Sender;
  before(async () => {
    sender = await addSender(workbench, 'hostile');
  });

  it('with escapes in the names of our fields is stored under its own cluster', async () => {
    await send(sender, [`{${TIME},"n":"escaped","\\u0063luster":"x","\\u0040timestamp":1,"ingeste\\u0064":1}`]);
    const [record] = await shown('hostile');
    assert.deepEqual([record?.n, record?.cluster, record?.['@timestamp']], ['escaped', 'hostile', NOW * 1000]);
  });

  it('that is nested so deep that Elasticsearch would not come back from it is set aside', async () => {
    const deep = (name: string, levels: number) => `${`{"${name}":`.repeat(levels)}1${'}'.repeat(levels)}`;
    const answer = await send(sender, [
      `{${TIME},"n":"deep","x":${deep('a', 100_000)}}`,
      `{${TIME},"n":"deep","x":${deep('a'.repeat(9_000), 900)}}`,
    ]);
    assert.deepEqual([answer.accepted, answer.setAside], [0, 2]);
    for (const { reason } of answer.reasons) assert.match(reason, /nested more than 20 levels deep/);
  });

  it('of an audit log is stored in whatever form its time is written', async () => {
    const times = [`"${new Date(NOW * 1000).toISOString().replace('T', ' ')}"`, `${NOW}`, `${NOW}000000000`];
    const { accepted, setAside } = await send(
      sender,
      times.map((time, n) => `{"auditID":"time-${n}","stageTimestamp":${time}}`),
      AUDIT,
    );
    assert.deepEqual([accepted, setAside], [3, 0]);
    const found = await shown('hostile', '--type', 'audit-kube');
    assert.deepEqual(
      found.map((record) => record['@timestamp']),
      times.map(() => NOW * 1000),
    );
  });

  it('that claims to be of another type is shown as what it is', async () => {
    await send(sender, [`{${TIME},"n":"typed","log_type":"audit_ee"}`]);
    const found = (await shown('hostile')).find(({ n }) => n === 'typed');
    assert.equal(found?.log_type, 'flows');
    const { code, stderr } = await mcm(workbench, ['logs', '--cluster', 'hostile']);
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('is given out with one type and one id, ours, however the names are written', async () => {
    const own = await addSender(workbench, 'hostile-ours');
    await send(own, [
      `{${TIME},"log_type":"audit_ee","log_id":"x"}`,
      `{${TIME},"\\u006cog_type":"audit_ee","log\\u005fid":"x"}`,
      `{ "a" : { "log_type" : 1 } , ${TIME} }`,
      `{${TIME}}`,
    ]);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const text = await workbench.mustKubectl(['get', '--raw', '/apis/lma.tigera.io/v1/hostile-ours/flows']);
    const { items } = JSON.parse(text) as { readonly items: readonly Record<string, unknown>[] };
    assert.deepEqual(
      items.map(({ log_type }) => log_type),
      items.map(() => 'flows'),
    );
    assert.equal(new Set(items.map(({ log_id }) => log_id)).size, 4);
    assert.deepEqual(
      ['"log_type":"flows"', '"log_id":', '"log_type"', '\\u'].map((name) => text.split(name).length - 1),
      [4, 4, 5, 0],
    );
  });

  it('with a member called __proto__ keeps none from being read', async () => {
    const own = await addSender(workbench, 'hostile-proto');
    await send(own, [`{${TIME},"n":1,"__proto__":{"log_type":"x"}}`, `{${TIME},"n":2,"log_type":"x","__proto__":1}`]);
    const records = await shown('hostile-proto');
    assert.deepEqual(records.map(({ n }) => n).sort(), [1, 2]);
    assert.deepEqual(Object.keys(records.find(({ n }) => n === 1) ?? {}).includes('__proto__'), true);
  });

  it('without labels, where Felix writes "-", is stored, and labels can be searched for', async () => {
    const answer = await send(sender, [
      `{${TIME},"n":"dash","source_labels":"-","dest_labels":"-","policies":"-"}`,
      `{${TIME},"n":"null","source_labels":null,"dest_labels":null}`,
      `{${TIME},"n":"labels","source_labels":{"labels":["app=cart"]},"policies":{"all_policies":["0|a|b|allow|0"]}}`,
    ]);
    assert.deepEqual([answer.accepted, answer.setAside], [3, 0], JSON.stringify(answer));
    await workbench.elasticsearch.request('POST', '/_refresh');
    for (const term of [{ 'source_labels.labels': 'app=cart' }, { 'policies.all_policies': '0|a|b|allow|0' }]) {
      const query = { bool: { filter: [{ term }] } };
      const answered = await workbench.elasticsearch.request('POST', '/tigera_secure_ee_flows.hostile.*/_search', {
        query,
      });
      const { hits } = (answered as { hits: { hits: { _source: { n: string } }[] } }).hits;
      assert.deepEqual(
        hits.map(({ _source }) => _source.n),
        ['labels'],
      );
    }
  });

  it('is one record, whatever number it claims to stand for', async () => {
    await send(sender, [`{${TIME},"n":"counted","proto":"counted","_doc_count":1000}`]);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const answered = await workbench.elasticsearch.request('POST', '/tigera_secure_ee_flows.hostile.*/_search', {
      size: 0,
      query: { term: { proto: 'counted' } },
      aggs: { protos: { terms: { field: 'proto' } } },
    });
    const { aggregations } = answered as { aggregations: { protos: { buckets: { doc_count: number }[] } } };
    assert.deepEqual(
      aggregations.protos.buckets.map(({ doc_count }) => doc_count),
      [1],
    );
  });

  it('does not steer the terminal of who reads it', async () => {
    await send(sender, [
      `{${TIME},"n":"steer","source_name":"\u009b2J\u001b]0;title"}`.replaceAll('\u001b', '\\u001b'),
    ]);
    for (const output of ['json', 'compact']) {
      const { stdout } = await mcm(workbench, ['logs', '--cluster', 'hostile', '-o', output]);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
      assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });
});

describe('a document that came into an index by another way', () => {
  it('is not shown where it says that it is of another cluster', async () => {
    const sender = await addSender(workbench, 'hostile-mixed');
    await send(sender, [`{${TIME},"n":"own"}`]);
    const day = new Date(NOW * 1000).toISOString().slice(0, 10).replaceAll('-', '');
    await workbench.elasticsearch.request('POST', `/tigera_secure_ee_flows.hostile-mixed.${day}/_doc`, {
      '@timestamp': NOW * 1000,
      ingested: NOW * 1000,
      cluster: 'another',
      n: 'foreign',
    });
    assert.deepEqual(
      (await shown('hostile-mixed')).map(({ n }) => n),
      ['own'],
    );
  });
});

describe('more records than one answer holds', () => {
  it('are asked for in several, and all shown', async () => {
    const sender = await addSender(workbench, 'hostile-big');
    const body = 'x'.repeat(1024 * 1024);
    const stage = new Date(NOW * 1000).toISOString();
    for (let at = 0; at < 24; at++) {
      await send(sender, [`{"auditID":"${at}","requestObject":{"n":"${body}"},"stageTimestamp":"${stage}"}`], AUDIT);
    }
    await workbench.elasticsearch.request('POST', '/_refresh');
    const { stdout: answer } = await workbench.kubectl([
      ...['get', '--raw', '/apis/lma.tigera.io/v1/hostile-big/audit_kube?limit=10000'],
    ]);
    const list = JSON.parse(answer) as { metadata: { continue?: string }; items: { auditID: string }[] };
    assert.ok(list.items.length >= 10 && list.items.length < 16, String(list.items.length));
    assert.equal(list.items[0]?.auditID, '23');
    assert.notEqual(list.metadata.continue, undefined);
    const args = ['logs', '--cluster', 'hostile-big', '--type', 'audit-kube', '--tail', '10000', '-o', 'json'];
    const { code, stdout, stderr } = await mcm(workbench, args);
    assert.deepEqual([code, stderr], [0, '']);
    const ids = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { auditID: string }).auditID);
    assert.deepEqual(
      ids,
      Array.from({ length: 24 }, (_, at) => String(at)),
    );
  });

  it('are all shown where they fit, in pages', async () => {
    const sender = await addSender(workbench, 'hostile-many');
    await send(
      sender,
      Array.from({ length: 1234 }, (_, n) => `{${TIME},"n":${n}}`),
    );
    const all = await shown('hostile-many', '--tail', '1200');
    assert.equal(all.length, 1200);
    assert.equal(new Set(all.map(({ n }) => n)).size, 1200);
  });
});
