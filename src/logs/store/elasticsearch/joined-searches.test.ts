import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { errors } from '@elastic/elasticsearch';
import { newClient } from './client.ts';
import { JoinedSearches } from './joined-searches.ts';

/** What answers so, and what it was asked, a line each. */
async function searchesOf(t: TestContext, answer: object | undefined) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    text(request).then((body) => {
      asked.push(request.url ?? '', ...body.trimEnd().split('\n'));
      if (answer === undefined) return;
      response.writeHead(200, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' });
      response.end(JSON.stringify(answer));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = newClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  t.after(async () => {
    await client.close();
    server.close().closeAllConnections();
  });
  return { searches: new JoinedSearches(client), asked };
}

describe('searches that are asked for together', () => {
  it('are one request, of which each gets its own answer or failure', async (t) => {
    const hit = { _index: 'i', _id: 'x', _source: { a: 1 }, sort: [1] };
    const failed = { error: { type: 'search_phase_execution_exception', reason: 'start' }, status: 503 };
    const { searches, asked } = await searchesOf(t, { took: 1, responses: [{ hits: { hits: [hit] } }, failed] });
    const [first, second] = await Promise.allSettled([
      searches.search({ index: ['a', 'b'], preference: 'p', ignore_unavailable: true, size: 1 }, t.signal),
      searches.search({ index: 'c', routing: 'r', aggs: {} }, t.signal),
    ]);
    assert.deepEqual(asked, [
      '/_msearch',
      '{"index":["a","b"],"preference":"p","ignore_unavailable":true}',
      '{"size":1}',
      '{"index":"c","routing":"r"}',
      '{"aggs":{}}',
    ]);
    assert.ok(first.status === 'fulfilled');
    assert.deepEqual(first.value.hits?.hits, [{ ...hit, _source: '{"a":1}', sort: '[1]' }]);
    assert.ok(second.status === 'rejected' && second.reason instanceof errors.ResponseError);
    assert.deepEqual([second.reason.statusCode, second.reason.body], [503, failed]);
  });

  it('are asked for anew where another one of them is given up', async (t) => {
    const { searches, asked } = await searchesOf(t, undefined);
    const [stopped, later] = [new AbortController(), new AbortController()];
    const outcomes = Promise.allSettled([
      searches.search({ index: 'a' }, stopped.signal),
      searches.search({ index: 'b' }, later.signal),
    ]);
    await t.waitFor(() => assert.ok(asked.length > 0));
    stopped.abort(new Error('too wide'));
    await t.waitFor(() => assert.ok(asked.includes('/b/_search')));
    later.abort(new Error('gone'));
    const reasons = (await outcomes).map((outcome) => String(outcome.status === 'rejected' && outcome.reason));
    assert.deepEqual(reasons, ['Error: too wide', 'Error: gone']);
    assert.deepEqual(asked, ['/_msearch', '{"index":"a"}', '{}', '{"index":"b"}', '{}', '/b/_search', '']);
  });
});
