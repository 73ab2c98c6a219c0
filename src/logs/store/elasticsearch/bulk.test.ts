import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { Client } from '@elastic/elasticsearch';
import { StoreUnavailable } from '../log-store.ts';
import { BodyMemory } from './body-memory.ts';
import { bulkCreate } from './bulk.ts';
import { newClient } from './client.ts';

const signal = new AbortController().signal;
const item = (id: string) => ({ at: { index: 'a', routing: undefined }, id, open: Buffer.from('{'), rest: '}' });

// Not Elasticsearch, but what may stand before it: no real one gives these answers when asked to.
describe('bulkCreate', () => {
  let server: Server;
  let client: Client;
  let answer: { code: number; body: object };

  before(async () => {
    server = createServer((request, response) => {
      request.resume().once('end', () => {
        response.writeHead(answer.code, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' });
        response.end(JSON.stringify(answer.body));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = newClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  });
  after(async () => {
    await client.close();
    server.close();
  });

  const items = (...creates: object[]) => ({
    code: 200,
    body: { errors: true, items: creates.map((create) => ({ create })) },
  });

  for (const [type, kind] of [
    ['document_parsing_exception', 'refused'],
    ['mapper_parsing_exception', 'refused'],
    ['strict_dynamic_mapping_exception', 'refused'],
    ['validation_exception', 'held-back'],
    ['illegal_argument_exception', 'held-back'],
    ['cluster_block_exception', 'held-back'],
    ['index_closed_exception', 'held-back'],
    ['security_exception', 'held-back'],
    ['es_rejected_execution_exception', 'held-back'],
    ['a_type_of_tomorrow', 'held-back'],
  ]) {
    it(`calls a document with a 400 ${type} ${kind}`, async () => {
      answer = items({ status: 400, error: { type, reason: 'because' } }, { status: 201 });
      const verdicts = await bulkCreate(client, [item('1'), item('2')], new BodyMemory(), signal);
      const more = kind === 'refused' ? {} : { status: 400, type };
      assert.deepEqual(verdicts, [{ kind, reason: 'because', ...more }, { kind: 'created' }]);
    });
  }

  it('calls a document that is there already known, and one without a word held back', async () => {
    answer = items({ status: 409, error: { type: 'version_conflict_engine_exception', reason: 'there' } }, {});
    const kinds = (await bulkCreate(client, [item('1'), item('2')], new BodyMemory(), signal)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['known', 'held-back']);
  });

  it('holds back what it is told nothing of', async () => {
    answer = { code: 200, body: { errors: true, items: [null, { create: null }] } };
    const kinds = (await bulkCreate(client, [item('1'), item('2')], new BodyMemory(), signal)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['held-back', 'held-back']);
    answer = { code: 200, body: { items: { length: 2 } } };
    await assert.rejects(bulkCreate(client, [item('1'), item('2')], new BodyMemory(), signal), StoreUnavailable);
  });

  it('says the same of an answer that it need not parse', async () => {
    for (const count of [1, 2, 1000]) {
      answer = { code: 200, body: { errors: false, items: Array(count).fill({ create: { status: 201 } }) } };
      const sent = Array.from({ length: count }, (_, n) => item(`${n}`));
      const verdicts = await bulkCreate(client, sent, new BodyMemory(), signal);
      assert.deepEqual(verdicts, Array(count).fill({ kind: 'created' }));
    }
    answer = { code: 200, body: { errors: false, items: [{ create: { status: 201 } }, { create: { status: 503 } }] } };
    const kinds = (await bulkCreate(client, [item('1'), item('2')], new BodyMemory(), signal)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['created', 'held-back']);
  });

  it('does not look through a long request that was not taken', async () => {
    answer = { code: 503, body: {} };
    const long = { ...item('1'), open: Buffer.alloc(8 * 1024 * 1024, ' ') };
    await assert.rejects(bulkCreate(client, [item('1')], new BodyMemory(), signal), StoreUnavailable);
    const before = process.cpuUsage();
    await assert.rejects(bulkCreate(client, [long], new BodyMemory(), signal), StoreUnavailable);
    const { user } = process.cpuUsage(before);
    assert.ok(user < 500_000, `${user} µs of processor time`);
  });

  it('says in no error who we are', async () => {
    answer = { code: 503, body: {} };
    const { port } = server.address() as AddressInfo;
    const known = newClient({ url: `http://127.0.0.1:${port}`, auth: { apiKey: 'S3CRET' } });
    const error = await bulkCreate(known, [item('1')], new BodyMemory(), signal).catch((failure: unknown) => failure);
    assert.ok(error instanceof StoreUnavailable);
    assert.doesNotMatch(inspect(error, { depth: 20 }), /S3CRET/);
    await known.close();
  });

  it('takes no answer for fewer documents than it sent', async () => {
    answer = items({ status: 201 });
    await assert.rejects(bulkCreate(client, [item('1'), item('2')], new BodyMemory(), signal), (error: Error) => {
      assert.ok(error instanceof StoreUnavailable);
      assert.match(error.message, /answered 1 of 2 documents/);
      return true;
    });
  });

  for (const code of [401, 403, 404, 429, 502]) {
    it(`holds everything back for a ${code} to the whole request`, async () => {
      answer = { code, body: { error: { type: 'some_exception', reason: 'because' } } };
      await assert.rejects(bulkCreate(client, [item('1')], new BodyMemory(), signal), StoreUnavailable);
    });
  }
});
