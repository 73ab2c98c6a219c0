import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogTop, TopItem } from '../../logs/query/log-top.ts';
import { Merging } from './top-reads.ts';

function item(namespace: string, value: number): TopItem {
  return { group: { namespace }, value, records: 1 };
}

function answer(groups: number, items: readonly TopItem[]): LogTop {
  const value = items.reduce((sum, one) => sum + one.value, 0);
  return { by: 'namespace', metric: 'bytes', groups, totals: [{ value, records: items.length }], items };
}

describe('answers of several clusters', () => {
  it('are added up group by group', () => {
    const merging = new Merging();
    merging.add(answer(2, [item('store', 5), item('payments', 3)]));
    merging.add(answer(2, [item('kube-system', 4), item('payments', 3)]));
    assert.deepEqual(merging.top(2, true), {
      groups: 3,
      totals: [{ value: 15, records: 4 }],
      items: [{ ...item('payments', 6), records: 2 }, item('store', 5)],
      shortBy: 0,
    });
  });

  it('keep directions apart', () => {
    const merging = new Merging();
    for (const direction of ['egress', 'ingress'] as const) {
      const totals = [{ direction, value: 1, records: 1 }];
      merging.add({ ...answer(1, [{ ...item('store', 1), direction }]), totals });
    }
    const { items, totals } = merging.top(9, true);
    assert.deepEqual(
      [items, totals].map((list) => list.map(({ direction }) => direction)),
      [
        ['egress', 'ingress'],
        ['egress', 'ingress'],
      ],
    );
  });

  it('say by how much they may be too small where some were left out of one', () => {
    const merging = new Merging();
    merging.add(answer(12_000, [item('store', 5), item('payments', 3)]));
    merging.add(answer(9_000, [item('store', 2), item('payments', 2)]));
    merging.add(answer(1, [item('store', 1)]));
    const { groups, items, shortBy } = merging.top(1, true);
    assert.deepEqual([groups, items, shortBy], [12_000, [{ ...item('store', 8), records: 3 }], 5]);
  });

  it('of one cluster alone leave out only what is smaller', () => {
    const merging = new Merging();
    merging.add(answer(14, [item('store', 5)]));
    const { groups, shortBy } = merging.top(1, false);
    assert.deepEqual([groups, shortBy], [14, 0]);
  });

  it('are refused where they have more groups than can be held', () => {
    const merging = new Merging();
    const add = (from: number, count: number) => {
      const items = Array.from({ length: count }, (_, n) => item(`n${from + n}`, 1));
      merging.add(answer(count, items));
    };
    for (let from = 0; from < 200_000; from += 10_000) add(from, 10_000);
    assert.throws(() => add(200_000, 1), {
      name: 'UserError',
      message: 'error: these clusters have more than 200000 groups together',
    });
  });
});
