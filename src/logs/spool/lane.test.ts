import assert from 'node:assert/strict';
import { it } from 'node:test';
import { STORED_TYPES } from '../types/index.ts';
import { readHead, writeHead } from './lane.ts';

it('the head of a frame is read again, of whatever is stored', () => {
  const source = { cluster: 'prod-eu', host: 'node-1', position: { fileKey: 'a'.repeat(32), offset: 77 } };
  for (const type of STORED_TYPES) {
    for (const day of ['20261122', undefined]) {
      const spooled = {
        lane: { cluster: 'prod-eu', type, day },
        source,
        sequence: 5,
        time: 1_795_000_000_000,
        records: 3,
      };
      assert.deepEqual(readHead(writeHead(spooled)), spooled);
    }
  }
  assert.throws(() => readHead(Buffer.from('{"type":"flaws"}')), /unknown log type flaws/);
});
