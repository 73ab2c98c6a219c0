import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LineReader, RecordReader } from '../record/record.ts';
import { type LogStore, type RecordBatch, StoreUnavailable } from '../store/log-store.ts';
import { flows } from '../types/flows.ts';
import type { LogType } from '../types/log-type.ts';
import { SpoolingStore } from './spooling-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'spooling-store-'));
after(() => rmSync(folder, { recursive: true }));
const signal = new AbortController().signal;

/** A store that has thousands of indices, which no real one would make for a test; `takes` says what it takes now. */
class ManyIndices implements LogStore {
  readonly written: { readonly cluster: string; readonly ids: readonly string[] }[] = [];
  takes: (cluster: string) => boolean = () => true;
  atOnce = 0;
  mostAtOnce = 0;

  async write({ source: { cluster }, records }: RecordBatch) {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    await sleep(1);
    this.atOnce--;
    if (!this.takes(cluster)) throw new StoreUnavailable(`${cluster} is read-only`);
    this.written.push({ cluster, ids: records.map(({ id }) => id) });
    return { stored: records.length, known: 0, differing: 0, refused: [] };
  }

  async setAside(): Promise<void> {}
  together(): this {
    return this;
  }

  async ping(): Promise<void> {}
  async search(): Promise<never> {
    throw new Error('nobody asks');
  }
  async aggregate(): Promise<never> {
    throw new Error('nobody asks');
  }
}

function batchOf(cluster: string, numbers: readonly number[]): RecordBatch {
  const source = { cluster, host: 'node-1', position: { fileKey: '0'.repeat(32), offset: 0 } };
  const reader: LineReader = new RecordReader(flows, source);
  const end = Math.floor(Date.now() / 1000);
  const records = numbers.flatMap((n) => {
    const bytes = Buffer.from(`{"end_time":${end},"n":${n}}`);
    const read = reader.read({ offset: n, bytes, length: bytes.length });
    return read.kind === 'record' ? [read.record] : [];
  });
  return { type: flows, source, records };
}

async function open(store: LogStore, directory: string) {
  const drained = new Map<string, number>();
  const spooling = await SpoolingStore.open(
    store,
    { directory, size: 64 * 1024 * 1024 },
    {
      spooled: () => undefined,
      notTaken: () => undefined,
      heldBack: () => undefined,
      damaged: ({ kept }) => assert.fail(kept),
      drained: (cluster: string, _type: LogType, { stored }) => {
        drained.set(cluster, (drained.get(cluster) ?? 0) + stored);
      },
    },
  );
  return { spooling, drained };
}

describe('SpoolingStore', () => {
  it('keeps nobody waiting for a thousand indices that take nothing', async () => {
    const store = new ManyIndices();
    store.takes = (cluster) => !cluster.startsWith('held-');
    const { spooling, drained } = await open(store, join(folder, 'many'));
    try {
      const held = Array.from({ length: 1000 }, (_, n) => `held-${n}`);
      await Promise.all(held.map((cluster) => spooling.write(batchOf(cluster, [1, 2, 3]), signal)));
      assert.equal([...spooling.spool.backlogs].length, 1000);
      for (let n = 0; n < 20; n++) {
        const outcome = await spooling.write(batchOf('well', [n]), signal);
        assert.deepEqual(outcome, { stored: 1, known: 0, differing: 0, refused: [] });
      }
      assert.equal(store.written.filter(({ cluster }) => cluster === 'well').length, 20, 'past all of them');
      // What comes later of such an index queues up behind what waits.
      await spooling.write(batchOf('held-7', [4, 5]), signal);
      store.mostAtOnce = 0;
      store.takes = () => true;
      for (const end = Date.now() + 60_000; drained.size < 1000 && Date.now() < end; ) await sleep(20);
      while ([...spooling.spool.backlogs].length > 0) await sleep(20);
      assert.deepEqual([drained.size, drained.get('held-7'), drained.get('held-8')], [1000, 5, 3]);
      assert.ok(store.mostAtOnce <= 4, `${store.mostAtOnce} at once`);
      const ids = store.written.findLast(({ cluster }) => cluster === 'held-7')?.ids ?? [];
      assert.deepEqual(
        ids.map((id) => id.split('/')[3]),
        ['1', '2', '3', '4', '5'],
      );
    } finally {
      await spooling.close();
    }
  });

  it('has its directory for itself', async () => {
    const directory = join(folder, 'locked');
    const { spooling } = await open(new ManyIndices(), directory);
    await assert.rejects(open(new ManyIndices(), directory), {
      name: 'UserError',
      message: `error: another "kubectl mcm manager" is at work with the spool ${directory}`,
    });
    await spooling.close();
    await (await open(new ManyIndices(), directory)).spooling.close();
  });

  it('names a directory that cannot be used', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await assert.rejects(open(new ManyIndices(), file), {
      name: 'UserError',
      message: /^error: cannot use the spool \S+\/file: mkdir \S+\/file: file exists$/,
    });
  });
});
