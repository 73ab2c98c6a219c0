import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { parseParameters } from '../../query/log-query.ts';
import { flows } from '../../types/flows.ts';
import { StoreUnavailable } from '../log-store.ts';
import { CurrentSettings } from '../store-settings.ts';
import { newClient } from './client.ts';
import { IndexNames } from './index-names.ts';
import { JoinedSearches } from './joined-searches.ts';
import { PageSizes } from './page-sizes.ts';
import { ScanLimit } from './scan-limit.ts';
import { searchRecords } from './search.ts';

interface Answer {
  readonly code: number;
  readonly body: object;
}

/** Searches in what answers so, to one search after the other or by what is asked: no real Elasticsearch does when asked to. */
async function search(
  t: TestContext,
  answers: readonly [Answer, ...Answer[]] | ((body: string) => Answer),
  parameters = {},
) {
  let searches = 0;
  const server = createServer((request, response) => {
    text(request).then((body) => {
      const answer =
        typeof answers === 'function' ? answers(body) : (answers[Math.min(searches++, answers.length - 1)] as Answer);
      response.writeHead(answer.code, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' });
      response.end(JSON.stringify({ took: 1, ...answer.body }));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = newClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  t.after(async () => {
    await client.close();
    server.close().closeAllConnections();
  });
  const query = { clusters: ['prod-eu'], types: [flows], ...parseParameters(new URLSearchParams(parameters), [flows]) };
  const names = new IndexNames(new CurrentSettings());
  return await searchRecords(
    new JoinedSearches(client),
    names,
    query,
    new ScanLimit(client, names),
    new PageSizes(),
    t.signal,
  );
}

describe('a search', () => {
  it('that Elasticsearch fails says what Elasticsearch said', async (t) => {
    const error = { type: 'search_phase_execution_exception', reason: 'all shards failed' };
    await assert.rejects(search(t, [{ code: 503, body: { error } }]), (thrown) => {
      assert.ok(thrown instanceof StoreUnavailable);
      assert.match(thrown.message, /^Elasticsearch answered 503 search_phase_execution_exception: all shards failed$/);
      return true;
    });
  });

  it('waits while the index of a new day is being made', async (t) => {
    const error = { type: 'search_phase_execution_exception', reason: 'start' };
    const starting = { code: 503, body: { error } };
    const { records } = await search(t, [starting, starting, { code: 200, body: { hits: { hits: [] } } }]);
    assert.deepEqual(records, []);
  });

  it('that fails by what we make of the answer does not say that Elasticsearch cannot be reached', async (t) => {
    const hits = { hits: [{ _index: 'somebody-elses', _source: {} }] };
    await assert.rejects(search(t, [{ code: 200, body: { hits } }]), (thrown) => {
      assert.ok(!(thrown instanceof StoreUnavailable), String(thrown));
      assert.match(String(thrown), /an index of no known type answered: somebody-elses/);
      return true;
    });
  });

  for (const [what, length, sizes] of [
    ['short', 100, [500, 5_000, 4_500]],
    ['long', 16_000, [500, 547]],
  ] as const) {
    it(`asks for as many ${what} records at once as the answer has room for`, async (t) => {
      const asked: number[] = [];
      const record = { '@timestamp': 1, text: 'x'.repeat(length) };
      const hit = {
        _index: 'tigera_secure_ee_flows.prod-eu.20261123',
        _source: record,
        sort: [1, 1, 'i', 'prod-eu', 1],
      };
      const answer = (body: string) => {
        const { size } = JSON.parse(body) as { size: number };
        asked.push(size);
        return { code: 200, body: { hits: { hits: Array<object>(size).fill(hit) } } };
      };
      const { records } = await search(t, answer, { limit: '10000' });
      assert.deepEqual(asked, sizes);
      assert.ok(records.length <= 10_000);
    });
  }
});
