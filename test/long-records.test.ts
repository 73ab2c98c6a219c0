import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LogRecord, RecordReader } from '../src/logs/record/record.ts';
import { ElasticsearchStore } from '../src/logs/store/elasticsearch/elasticsearch-store.ts';
import { StoreUnavailable } from '../src/logs/store/log-store.ts';
import { CurrentSettings } from '../src/logs/store/store-settings.ts';
import { auditKube } from '../src/logs/types/audit.ts';
import { Elasticsearch } from '../testbed/elasticsearch/elasticsearch.ts';

const SIGNAL = new AbortController().signal;
const SOURCE = { cluster: 'long', host: undefined, position: undefined };
const PATIENCE = 20_000;
const MIB = 1024 * 1024;

function audit(id: string, length: number): LogRecord {
  const stageTimestamp = new Date().toISOString();
  const bytes = Buffer.from(JSON.stringify({ auditID: id, requestObject: { x: 'y'.repeat(length) }, stageTimestamp }));
  const reader = new RecordReader(auditKube, SOURCE);
  const read = reader.read({ offset: 0, bytes, length: bytes.length });
  assert.equal(read.kind, 'record');
  return (read as { record: LogRecord }).record;
}

async function write(store: ElasticsearchStore, ...records: readonly LogRecord[]) {
  return await store.write({ type: auditKube, source: SOURCE, records }, SIGNAL);
}

describe('an Elasticsearch with little room', () => {
  const folder = mkdtempSync(join(tmpdir(), 'little-room-'));
  let server: Elasticsearch;
  let store: ElasticsearchStore;
  before(async () => {
    // Its memory for what is being indexed, a tenth of its heap else.
    const settings = ['indexing_pressure.memory.coordinating.limit=4mb'];
    server = await Elasticsearch.start(folder, () => undefined, { settings });
    store = new ElasticsearchStore({ url: server.url }, new CurrentSettings(), PATIENCE);
  });
  after(async () => {
    await store.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  it('that never takes a record although it stores others has it set aside after a while, and not before', async () => {
    const long = audit('long', 6 * MIB);
    const began = Date.now();
    const reasons = new Set<string>();
    for (let n = 0; ; n++) {
      try {
        const { stored, known, refused } = await write(store, audit(`short-${n}`, 10), long, audit(`after-${n}`, 10));
        assert.deepEqual([stored + known, refused.length], [2, 1]);
        assert.match(refused[0]?.reason ?? '', /^too long for Elasticsearch: .* 429 es_rejected_execution_exception/);
        break;
      } catch (error) {
        assert.ok(error instanceof StoreUnavailable, String(error));
        assert.ok(Date.now() - began < 120_000, `${error.message}`);
        reasons.add(error.message.slice(0, 70));
        await sleep(1_000);
      }
    }
    assert.ok(Date.now() - began >= PATIENCE);
    assert.match([...reasons].join(), /429/);
    // Those beside it were stored all the time.
    assert.ok((await server.count('tigera_secure_ee_audit_kube.long.*')) >= 4);
  });

  it('that stores nothing else has nothing set aside', async () => {
    const other = new ElasticsearchStore({ url: server.url }, new CurrentSettings(), 500);
    const long = audit('alone', 6 * MIB);
    for (const pause of [0, 700, 700]) {
      await sleep(pause);
      await assert.rejects(write(other, long), StoreUnavailable);
    }
    await other.close();
  });

  it('takes a long record that it has room for', async () => {
    assert.equal((await write(store, audit('fits', 2 * MIB))).stored, 1);
  });

  it('is written to by fewer at once, and stores everything', async () => {
    const rejections = async () => {
      const stats = JSON.stringify(await server.request('GET', '/_nodes/stats/indexing_pressure'));
      return Number(/"coordinating_rejections":(\d+)/.exec(stats)?.[1]);
    };
    const before = await rejections();
    // Four at once, as it begins, are more than it has room for.
    const batches = Array.from({ length: 16 }, (_, batch) =>
      Array.from({ length: 6 }, (_, n) => audit(`${batch}-${n}`, 250_000)),
    );
    const outcomes = await Promise.all(batches.map((batch) => write(store, ...batch)));
    assert.equal(
      outcomes.reduce((sum, { stored, known }) => sum + stored + known, 0),
      96,
    );
    assert.ok((await rejections()) > before);
  });
});
