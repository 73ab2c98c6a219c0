import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordReader } from '../record/record.ts';
import type { LogStore, RecordBatch } from '../store/log-store.ts';
import { flows } from '../types/flows.ts';
import { takeUpload } from './upload.ts';

const MIB = 1024 * 1024;
const source = { cluster: 'prod-eu', host: undefined, position: undefined };

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

  async ping(): Promise<void> {}
}

describe('takeUpload', () => {
  it('holds no more than one batch of bytes, also where most of them are no records', async () => {
    const store = new CountingStore();
    // A record is a view of its chunk: with a blank line of a MiB behind each, a few of them would hold them all.
    async function* body() {
      for (let n = 0; n < 20; n++) {
        yield Buffer.from(`{"end_time":${Math.floor(Date.now() / 1000)},"n":${n}}\n${' '.repeat(MIB)}\n`);
      }
    }
    const upload = { type: flows, source, reader: new RecordReader(flows, source), body: body() };
    const { accepted } = await takeUpload(upload, store, new AbortController().signal);
    assert.equal(accepted, 20);
    assert.deepEqual(store.batches, [4, 4, 4, 4, 4]);
  });
});
