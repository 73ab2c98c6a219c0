import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flows } from '../../logs/types/flows.ts';
import type { FoundItem } from './log-reads.ts';
import { ArrivalOrder, TimeOrder } from './printing-order.ts';

function at(...times: readonly number[]): FoundItem[] {
  return times.map((time, n) => {
    const item = { '@timestamp': time, ingested: n, log_type: 'flows', log_id: `${time}` };
    return { cluster: 'prod-eu', type: flows, item };
  });
}

function times(items: readonly FoundItem[]): number[] {
  return items.map(({ item }) => item['@timestamp']);
}

describe('records that arrive', () => {
  it('wait for one poll, in which older ones may come', () => {
    const order = new TimeOrder();
    order.began(at(10));
    assert.deepEqual(times(order.add(at(30, 20), false)), []);
    // 25 is in time, 5 is not, and 40 waits for its own turn.
    assert.deepEqual(times(order.add(at(40, 25, 5), false)), [5, 20, 25, 30]);
    assert.deepEqual(times(order.add([], false)), [40]);
    assert.deepEqual(times(order.add([], false)), []);
  });

  it('wait for nothing where more follows at once, or nothing can be read', () => {
    const order = new TimeOrder();
    assert.deepEqual(times(order.add(at(3, 1), false)), []);
    assert.deepEqual(times(order.add(at(2, 9), true)), [1, 2, 3, 9]);
    order.add(at(12, 11), false);
    assert.deepEqual(times(order.rest()), [11, 12]);
    assert.deepEqual(times(order.rest()), []);
  });

  it('do not wait where they are to be shown as they come', () => {
    const order = new ArrivalOrder();
    assert.deepEqual(times(order.add(at(3, 1, 2))), [3, 1, 2]);
    assert.deepEqual(order.rest(), []);
  });
});
