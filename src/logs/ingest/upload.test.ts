import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordReader } from '../record/record.ts';
import { type LogStore, type RecordBatch, StoreUnavailable } from '../store/log-store.ts';
import { flows } from '../types/flows.ts';
import { takeUpload, type Upload } from './upload.ts';

const MIB = 1024 * 1024;
const source = { cluster: 'prod-eu', host: undefined, position: undefined };
const signal = new AbortController().signal;

/** So many records; with a blank line of a MiB behind each, which it keeps in memory, being a view of its chunk. */
function uploadOf(count: number, onRead: (n: number) => void = () => undefined): Upload {
  async function* body() {
    for (let n = 0; n < count; n++) {
      onRead(n);
      yield Buffer.from(`{"end_time":${Math.floor(Date.now() / 1000)},"n":${n}}\n${' '.repeat(MIB)}\n`);
    }
  }
  return { type: flows, source, reader: new RecordReader(flows, source), body: body() };
}

/** Takes everything, and only counts. */
class CountingStore implements LogStore {
  readonly batches: number[] = [];

  async write({ records }: RecordBatch) {
    this.batches.push(records.length);
    return { stored: records.length, known: 0, differing: 0, refused: [] };
  }

  async setAside(): Promise<void> {
    assert.fail('there is nothing to set aside');
  }

  async search() {
    return { records: [], next: undefined };
  }

  async aggregate() {
    return { count: 0, rows: [], totals: [] };
  }

  together(): this {
    return this;
  }

  async ping(): Promise<void> {}
}

/** Ends no write before it is told to. */
class HoldingStore extends CountingStore {
  readonly held: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  override async write(batch: RecordBatch) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.held.push({ resolve, reject });
    await promise;
    return await super.write(batch);
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}

describe('takeUpload', () => {
  it('holds no more than a batch of bytes, also where most of them are no records', async () => {
    const store = new CountingStore();
    const { accepted } = await takeUpload(uploadOf(20), store, signal);
    assert.equal(accepted, 20);
    assert.deepEqual(store.batches, Array(10).fill(2));
  });

  it('has three batches under way, and reads no further until one of them is stored', async () => {
    const store = new HoldingStore();
    let read = 0;
    const upload = uploadOf(20, () => read++);
    const taken = takeUpload(upload, store, signal);
    await until(() => store.held.length === 3);
    for (let n = 0; n < 10; n++) await new Promise(setImmediate);
    assert.deepEqual([store.held.length, read], [3, 6]);
    store.held[1]?.resolve();
    await until(() => store.held.length === 4);
    assert.equal(read, 8);
    store.held[0]?.resolve();
    for (let n = 2; n < 10; n++) {
      await until(() => store.held.length > n);
      store.held[n]?.resolve();
    }
    assert.equal((await taken).accepted, 20);
  });

  it('reads no more once a batch has failed, and says so when no other one is under way', async () => {
    const store = new HoldingStore();
    let read = 0;
    const upload = uploadOf(20, () => read++);
    let ended = false;
    const taken = takeUpload(upload, store, signal).finally(() => {
      ended = true;
    });
    taken.catch(() => undefined);
    await until(() => store.held.length === 3);
    store.held[2]?.reject(new StoreUnavailable('no room'));
    store.held[0]?.resolve();
    for (let n = 0; n < 10; n++) await new Promise(setImmediate);
    assert.deepEqual([read, ended], [6, false]);
    store.held[1]?.resolve();
    await assert.rejects(taken, /no room/);
    assert.deepEqual(store.batches, [2, 2]);
  });
});
