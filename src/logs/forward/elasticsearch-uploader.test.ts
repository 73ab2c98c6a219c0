import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { flows } from '../types/flows.ts';
import { ForwardMetrics } from './forward-metrics.ts';
import { forwardOnce } from './forward-once.ts';
import type { ForwardSummary } from './summary.ts';

const END = Math.floor(Date.now() / 1000) - 60;
const line = (n: number) => `{"end_time":${END},"n":${n}}`;
const textOf = (count: number) => Array.from({ length: count }, (_, n) => `${line(n)}\n`).join('');

interface Bulk {
  readonly headers: IncomingHttpHeaders;
  readonly ids: readonly string[];
  readonly documents: readonly { readonly n: number; readonly ingested: number }[];
}

interface Reply {
  readonly code: number;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

// Not Elasticsearch, but what it and what stands before it answer in trouble: no real one does when asked to.
describe('an Elasticsearch that is written to directly', () => {
  let server: Server;
  let folder: string;
  let bulks: Bulk[];
  const stored = new Map<string, number>();
  let reply: (bulk: Bulk) => Reply | undefined;
  let warnings: string[];

  beforeEach(async () => {
    [bulks, warnings, reply] = [[], [], () => undefined];
    stored.clear();
    folder = mkdtempSync(join(tmpdir(), 'direct-'));
    server = createServer(async (request, response) => {
      const text = (await buffer(request)).toString();
      let answer: Reply = { code: 200, body: { acknowledged: true } };
      if (request.url?.startsWith('/_bulk') === true) {
        const lines = text.split('\n').slice(0, -1);
        const at = (rest: number) => lines.filter((_, n) => n % 2 === rest).map((one) => JSON.parse(one));
        const ids = at(0).map(({ create }) => create._id as string);
        const bulk = { headers: request.headers, ids, documents: at(1) };
        bulks.push(bulk);
        answer = reply(bulk) ?? { code: 200, body: { errors: false, items: store(bulk, () => undefined) } };
      }
      response.writeHead(answer.code, {
        'x-elastic-product': 'Elasticsearch',
        'content-type': 'application/json',
        ...answer.headers,
      });
      response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  });

  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const failed = (status: number, type: string) => ({ create: { status, error: { type, reason: 'because' } } });

  /** Items of an answer: what `fail` says, or else the document is stored. */
  function store({ ids, documents }: Bulk, fail: (n: number) => object | undefined): object[] {
    return ids.map((id, at) => {
      const n = documents[at]?.n ?? -1;
      const failure = fail(n);
      if (failure !== undefined) return failure;
      if (stored.has(id)) return failed(409, 'version_conflict_engine_exception');
      stored.set(id, n);
      return { create: { status: 201 } };
    });
  }

  async function run(text: string, options: { retryFor?: number; apiKey?: string } = {}): Promise<ForwardSummary> {
    const path = join(folder, 'flows.log');
    writeFileSync(path, text);
    const auth = options.apiKey === undefined ? {} : { auth: { apiKey: options.apiKey } };
    return await forwardOnce({
      cluster: 'prod-eu',
      host: 'node-1',
      elasticsearch: { url: url(), ...auth },
      inputs: [{ type: flows, path, named: true }],
      stateDirectory: join(folder, 'state'),
      retryFor: options.retryFor ?? 5000,
      chunkBytes: 64 * 1024,
      spoolSize: 2 ** 20,
      whenFull: 'block',
      signal: new AbortController().signal,
      metrics: new ForwardMetrics(),
      events: { warning: (warning) => warnings.push(warning), detail: () => undefined },
    });
  }

  const counts = ({ types: [type], incomplete }: ForwardSummary) => [
    type?.shipped,
    type?.known,
    type?.setAside,
    incomplete.length,
  ];

  it('is given up in time, also when the clock is set back meanwhile', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    reply = () => {
      t.mock.timers.setTime(Date.now() - 86_400_000);
      return { code: 503, body: '' };
    };
    const started = performance.now();
    const [shipped, , , incomplete] = counts(await run(textOf(5), { retryFor: 500 }));
    assert.deepEqual([shipped, incomplete], [0, 1]);
    assert.ok(performance.now() - started < 5_000);
  });

  it('gets everything once, and is known to have it when it is sent again', async () => {
    assert.deepEqual(counts(await run(textOf(5000), { apiKey: 'secret' })), [5000, 0, 0, 0]);
    assert.equal(bulks[0]?.headers.authorization, 'ApiKey secret');
    assert.equal(stored.size, 5000);
    rmSync(join(folder, 'state'), { recursive: true });
    assert.deepEqual(counts(await run(textOf(5000))), [5000, 5000, 0, 0]);
  });

  it('gets only those again that it held back, with the moment at which they are sent', {
    timeout: 20_000,
  }, async () => {
    const busy = failed(429, 'es_rejected_execution_exception');
    let left = 3;
    reply = (bulk) =>
      left-- > 0
        ? { code: 200, body: { errors: true, items: store(bulk, (n) => (n % 10 === 3 ? busy : undefined)) } }
        : undefined;
    assert.deepEqual(counts(await run(textOf(100))), [100, 0, 0, 0]);
    assert.deepEqual(
      bulks.map(({ ids }) => ids.length),
      [100, 10, 10, 10],
    );
    assert.equal(stored.size, 100);
  });

  for (const [what, body] of [
    ['fewer items than it was sent', { errors: false, items: [{ create: { status: 201 } }] }],
    ['no items', { errors: false }],
    ['no object', 'null'],
    ['no JSON', 'fine'],
  ] as const) {
    it(`has acknowledged nothing when it answers ${what}`, async () => {
      reply = () => (bulks.length === 1 ? { code: 200, body } : undefined);
      assert.deepEqual(counts(await run(textOf(10))), [10, 0, 0, 0]);
      assert.equal(bulks.length, 2);
    });
  }

  it('gets smaller requests once it has said 413', async () => {
    reply = ({ ids }) => (ids.length > 300 ? { code: 413, body: 'too large' } : undefined);
    assert.deepEqual(counts(await run(textOf(5000))), [5000, 0, 0, 0]);
    assert.equal(stored.size, 5000);
    assert.ok(bulks.filter(({ ids }) => ids.length > 300).length < 12, 'and remembers it');
  });

  it('holds a file back at the one short record that it says is too long', async () => {
    reply = ({ documents }) => (documents.some(({ n }) => n === 7) ? { code: 413, body: 'too large' } : undefined);
    const summary = await run(textOf(10), { retryFor: 300 });
    assert.deepEqual(counts(summary), [7, 7, 0, 1]);
    assert.match(
      summary.incomplete.join(),
      /flows\.log: Elasticsearch takes no request of \d+ bytes; the rest is left/,
    );
  });

  it('has a record set aside that is too long for every request, and gets the others', async () => {
    const long = (bulk: Bulk) => JSON.stringify(bulk.documents).length > 1024 * 1024;
    reply = (bulk) => (long(bulk) ? { code: 413, body: 'too large' } : undefined);
    const text = `${line(1)}\n{"end_time":${END},"n":2,"x":"${'y'.repeat(1024 * 1024)}"}\n${line(3)}\n`;
    assert.deepEqual(counts(await run(text)), [2, 0, 1, 0]);
    assert.match(warnings.join(), /was set aside: Elasticsearch takes no request of \d+ bytes/);
  });

  it('is left alone for as long as it asks', { timeout: 20_000 }, async () => {
    const times: number[] = [];
    reply = () => {
      times.push(performance.now());
      return times.length === 1 ? { code: 503, body: 'busy', headers: { 'retry-after': '1' } } : undefined;
    };
    assert.deepEqual(counts(await run(textOf(3))), [3, 0, 0, 0]);
    assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 990);
  });

  it('that cannot be reached leaves everything for the next run', async () => {
    reply = () => ({ code: 502, body: 'no' });
    const summary = await run(textOf(3), { retryFor: 300 });
    assert.match(summary.incomplete.join(), /Elasticsearch answered 502; the rest is left for the next run/);
    reply = () => undefined;
    assert.deepEqual(counts(await run(textOf(3))), [3, 0, 0, 0]);
  });

  for (const code of [401, 403]) {
    it(`that answers ${code} ends the run, and no secret is told`, async () => {
      reply = () => ({ code, body: { error: { type: 'security_exception', reason: 'no' } } });
      await assert.rejects(run(textOf(3), { apiKey: 'secret' }), (error: Error) => {
        assert.match(error.message, /refuses this forwarder: Elasticsearch answered 40[13] security_exception: no/);
        assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /secret/);
        return true;
      });
    });
  }

  it('holds a record back that it takes for no fault of its own, once that was read by itself', async () => {
    const limit = failed(400, 'validation_exception');
    reply = (bulk) => ({ code: 200, body: { errors: true, items: store(bulk, (n) => (n === 5 ? limit : undefined)) } });
    const summary = await run(textOf(10), { retryFor: 300 });
    assert.deepEqual([summary.types[0]?.shipped, summary.types[0]?.setAside], [5, 0]);
    assert.match(summary.incomplete.join(), /Elasticsearch cannot take records now: because; the rest is left/);
  });

  it('gets a record that it refuses once more as it reads it itself, then as a dead letter', async () => {
    const refuse = failed(400, 'document_parsing_exception');
    reply = (bulk) => ({
      code: 200,
      body: { errors: true, items: store(bulk, (n) => (n === 5 ? refuse : undefined)) },
    });
    assert.deepEqual(counts(await run(textOf(10))), [9, 0, 1, 0]);
    assert.match(warnings.join(), /a record at offset \d+ was set aside: because/);
    assert.equal(bulks.length, 3, 'the last one is the dead letter');
  });
});
