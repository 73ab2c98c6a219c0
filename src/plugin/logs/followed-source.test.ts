import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Shortcoming } from '../../logs/query/shortcoming.ts';
import { flows } from '../../logs/types/flows.ts';
import { FollowedSource, Poll } from './followed-source.ts';
import type { FoundItem, Page } from './log-reads.ts';
import { SeenRecords } from './seen-records.ts';

const START = Date.UTC(2026, 10, 22, 18);
const PARAMETERS = { since: undefined, until: undefined, arrivedSince: undefined, filter: undefined };

function found(cluster: string, n: number, ingested = START + n): FoundItem {
  const item = { '@timestamp': 0, ingested, log_type: 'flows', log_id: `${cluster}/${n}` };
  return { cluster, type: flows, item };
}

function refused(cluster: string): Shortcoming {
  return { kind: 'Refused', cluster, type: 'flows', reason: 'Forbidden', message: 'no' };
}

function newSource(clusters: readonly string[]): FollowedSource {
  const [source] = FollowedSource.all([
    { clusters, type: flows, parameters: { ...PARAMETERS, order: 'arrival', limit: 10 } },
  ]);
  source?.begin(new Date(START).toISOString());
  return source as FollowedSource;
}

/** One poll at a time (milliseconds after the start) that finds these; `asOf` is missing where nothing may be read. */
async function poll(
  source: FollowedSource,
  at: number | undefined,
  items: readonly FoundItem[],
  shortcomings: readonly Shortcoming[] = [],
): Promise<{ fresh: string[]; next: readonly FollowedSource[] }> {
  const asOf = at === undefined ? undefined : new Date(START + at).toISOString();
  async function* pages(): AsyncGenerator<Page> {
    yield { asOf, shortcomings, items };
  }
  const one = new Poll(source, pages());
  const fresh: FoundItem[] = [];
  for await (const page of one.newItems()) fresh.push(...page.items);
  source.see(fresh);
  return { fresh: fresh.map(({ item }) => item.log_id), next: source.after(one) };
}

describe('what is followed', () => {
  it('is read again for a minute of arrival, and seen once', async () => {
    const source = newSource(['a']);
    const { fresh, next } = await poll(source, 2_000, [found('a', 1), found('a', 2)]);
    assert.deepEqual(fresh, ['a/1', 'a/2']);
    const [after] = next as [FollowedSource];
    assert.equal(after.next.parameters.arrivedSince, START + 2_000 - 60_000);
    const again = await poll(after, 4_000, [found('a', 0), found('a', 1), found('a', 2)]);
    assert.deepEqual(again.fresh, ['a/0']);
  });

  it('goes on from where it was where it cannot be read, and where a clock has been put back', async () => {
    const source = newSource(['a']);
    const { next } = await poll(source, 10_000, []);
    for (const at of [undefined, 5_000]) {
      const later = await poll(next[0] as FollowedSource, at, [], at === undefined ? [refused('a')] : []);
      assert.equal(later.next[0]?.next.parameters.arrivedSince, START - 50_000);
    }
  });

  it('goes on from what was taken, where that was not all', async () => {
    const source = newSource(['a']);
    async function* pages(): AsyncGenerator<Page> {
      yield { asOf: new Date(START + 3_600_000).toISOString(), shortcomings: [], items: [] };
    }
    const one = new Poll(source, pages());
    for await (const _page of one.newItems());
    assert.equal(source.after(one, START + 7)[0]?.next.parameters.arrivedSince, START + 7);
  });

  it('is split where a cluster is refused, which goes on from where it was', async () => {
    const source = newSource(['a', 'b', 'c']);
    const begun = await poll(source, 1_000, [found('a', 1), found('b', 1)]);
    const { next } = await poll(begun.next[0] as FollowedSource, 70_000, [found('a', 2)], [refused('b')]);
    const [readable, left] = next as [FollowedSource, FollowedSource];
    assert.deepEqual(
      [readable.next.clusters, left.next.clusters, left.next.parameters.arrivedSince],
      [['a', 'c'], ['b'], START + 1_000 - 60_000],
    );
    const back = await poll(left, 80_000, [found('b', 1), found('b', 2)]);
    assert.deepEqual(back.fresh, ['b/2']);
    assert.equal(back.next.length, 1);
  });
});

describe('the records that were seen', () => {
  it('are so many at most, and those that are forgotten are not read again', () => {
    const seen = new SeenRecords(10);
    for (let n = 0; n < 10; n++) assert.ok(seen.add(found('a', n)));
    assert.ok(seen.add(found('a', 9)), 'twice is once');
    assert.equal(seen.floor, Number.NEGATIVE_INFINITY);
    assert.equal(seen.add(found('b', 10)), false);
    assert.deepEqual([seen.has(found('a', 5)), seen.has(found('a', 6)), seen.has(found('b', 10))], [false, true, true]);
    assert.equal(seen.floor, START + 6);
    seen.forget(START + 10);
    assert.deepEqual([seen.has(found('a', 9)), seen.has(found('b', 10))], [false, true]);
  });
});
