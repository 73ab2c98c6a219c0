import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../../fixtures/random.ts';
import { mergeByTime } from './merge-by-time.ts';

interface Entry {
  readonly source: number;
  readonly item: { readonly '@timestamp': number; readonly ingested: number };
}

/** Entries of a source in pages, some of which are empty. */
async function* pagesOf(entries: readonly Entry[], random: Random) {
  for (let at = 0; at < entries.length; ) {
    const size = random.between(0, 3);
    yield { items: entries.slice(at, at + size) };
    at += size;
  }
}

async function merged(sources: readonly (readonly number[])[], order: 'asc' | 'desc', random = new Random(1)) {
  const pages = sources.map((times, source) => {
    const entries = times.map((time): Entry => ({ source, item: { '@timestamp': time, ingested: -time } }));
    return pagesOf(order === 'asc' ? entries : entries.toReversed(), random);
  });
  const list: [number, number][] = [];
  for await (const { source, item } of mergeByTime(pages, order)) list.push([item['@timestamp'], source]);
  return list;
}

describe('several lists by time', () => {
  it('are one list', async () => {
    const sources = [[1, 4, 4, 9], [], [2, 4], [4]];
    const list = [
      ...[
        [1, 0],
        [2, 2],
        [4, 0],
        [4, 0],
        [4, 2],
        [4, 3],
        [9, 0],
      ],
    ];
    assert.deepEqual(await merged(sources, 'asc'), list);
    assert.deepEqual(await merged(sources, 'desc'), list.toReversed());
    assert.deepEqual(await merged([], 'asc'), []);
  });

  it('are one list by arrival', async () => {
    const list: number[] = [];
    const entries = [[3, 7], [5]].map((arrivals, source) =>
      arrivals.map((ingested): Entry => ({ source, item: { '@timestamp': -ingested, ingested } })),
    );
    const pages = entries.map((one) => pagesOf(one, new Random(1)));
    for await (const { item } of mergeByTime(pages, 'arrival')) list.push(item.ingested);
    assert.deepEqual(list, [3, 5, 7]);
  });

  it('are the same list forwards and backwards, whatever is in them', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new Random(seed);
      const sources = Array.from({ length: random.between(1, 5) }, () =>
        Array.from({ length: random.between(0, 20) }, () => random.between(0, 9)).sort((a, b) => a - b),
      );
      const forwards = await merged(sources, 'asc', random);
      assert.equal(forwards.length, sources.flat().length);
      assert.deepEqual(
        forwards.map(([time]) => time),
        sources.flat().sort((a, b) => a - b),
      );
      assert.deepEqual(await merged(sources, 'desc', random), forwards.toReversed());
    }
  });
});
