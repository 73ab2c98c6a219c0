import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFilter } from '../../query/parse-filter.ts';
import { dns } from '../../types/dns.ts';
import { Fields } from '../../types/field.ts';
import { gaps } from '../../types/gaps.ts';
import { type Span, Spans } from './spans.ts';

const NOW = Date.UTC(2026, 10, 22, 10);
const HOUR = 3_600_000;

type Asked = ConstructorParameters<typeof Spans>[0];

const QUERY: Asked = {
  since: undefined,
  until: undefined,
  order: 'desc',
  after: undefined,
  types: [dns],
  filter: parseFilter('rcode = NXDomain', Fields.of([dns]), 'dns'),
  limit: 100,
};

/** Those of a query that finds so many records in each. */
function spansOf(asked: Partial<Asked>, found: readonly number[]): Span[] {
  const spans = new Spans({ ...QUERY, ...asked }, NOW);
  const told: Span[] = [];
  let all = 0;
  for (let span = spans.next(0); span !== undefined; span = spans.next(all)) {
    all += found[told.length] ?? 0;
    told.push(span);
  }
  return told;
}

/** The same with months to minutes, and `-` for no end. */
function spans(asked: Partial<Asked>, ...found: readonly number[]): string[] {
  return spansOf(asked, found).map(words);
}

function checkWhole({ since, until }: Span, parts: readonly Span[]): void {
  assert.deepEqual([parts[0]?.since, parts.at(-1)?.until], [since, until]);
  for (const [at, part] of parts.slice(1).entries()) assert.equal(part.since, parts[at]?.until);
  assert.ok(parts.every((part) => [part.since, part.until].every(Number.isInteger)));
}

function words({ since, until }: Span): string {
  const [from, to] = [since, until].map((time) =>
    time === undefined ? '-' : new Date(time).toISOString().slice(5, 16),
  );
  return `${from}..${to}`;
}

describe('the spans of a query', () => {
  it('for the newest are an hour, and what is left where that has none', () => {
    assert.deepEqual(spans({}), ['11-22T09:00..-', '-..11-22T09:00']);
    const [since, until] = [NOW - 72 * HOUR, NOW - 24 * HOUR];
    assert.deepEqual(spans({ since, until }), ['11-21T09:00..11-21T10:00', '11-19T10:00..11-21T09:00']);
  });

  it('for the newest of all are some minutes, and longer where they have too few', () => {
    const all = { filter: undefined, since: 0 };
    assert.deepEqual(spans(all), ['11-22T09:54..-', '11-22T08:54..11-22T09:54', '01-01T00:00..11-22T08:54']);
    assert.deepEqual(spans(all, 20), ['11-22T09:54..-', '11-22T09:18..11-22T09:54', '01-01T00:00..11-22T09:18']);
    assert.deepEqual(spans({ ...all, since: NOW - HOUR / 12 }), ['11-22T09:55..-']);
  });

  it('begin longer where several conditions hold at once', () => {
    const first = (text: string) => {
      const [span] = spans({ filter: parseFilter(text, Fields.of([dns]), 'dns'), since: 0 });
      return span;
    };
    assert.equal(first('rcode = NXDomain AND qtype = A'), '11-22T04:00..-');
    assert.equal(first('rcode = NXDomain AND NOT qtype = A'), '11-22T09:00..-');
    assert.equal(first('rcode = NXDomain OR qtype = A'), '11-22T09:00..-');
  });

  it('begin anew, and shorter, where the first is too much', () => {
    const filter = parseFilter('rcode = NXDomain AND qtype = A', Fields.of([dns]), 'dns');
    const spans = new Spans({ ...QUERY, filter, since: NOW - 5 * HOUR, until: NOW }, NOW);
    const told: string[] = [];
    for (;;) {
      told.push(words(spans.next(0) as Span), words(spans.looked));
      if (!spans.shorten()) break;
    }
    const tried = ['11-22T05:00..11-22T10:00', '11-22T09:00..11-22T10:00', '11-22T09:54..11-22T10:00'];
    assert.deepEqual(
      told,
      tried.flatMap((span) => [span, span]),
    );
    assert.equal(words(spans.next(50) as Span), '11-22T09:30..11-22T09:54');
    assert.equal(spans.shorten(), false);
    const oldest = new Spans({ ...QUERY, filter, order: 'asc' }, NOW);
    oldest.next(0);
    assert.equal(oldest.shorten(), false);
  });

  it('grow by what was found, and are whole days where they are long', () => {
    assert.deepEqual(spans({ since: 0 }, 10, 80), [
      '11-22T09:00..-',
      '11-21T19:30..11-22T09:00',
      '01-01T00:00..11-21T19:30',
    ]);
    assert.deepEqual(spans({ since: 0 }, 2), [
      '11-22T09:00..-',
      '11-19T00:00..11-22T09:00',
      '01-01T00:00..11-19T00:00',
    ]);
  });

  it('are one where it is short, rare, or asked for by its arrival', () => {
    assert.deepEqual(spans({ since: NOW - HOUR }), ['11-22T09:00..-']);
    assert.deepEqual(spans({ types: [gaps] }), ['-..-']);
    assert.deepEqual(spans({ order: 'arrival', since: NOW - 72 * HOUR }), ['11-19T10:00..-']);
    assert.deepEqual(spans({ order: 'asc' }), ['-..-']);
  });

  it('for the oldest are what is left of the day, and longer', () => {
    const since = NOW - 72 * HOUR;
    assert.deepEqual(spans({ order: 'asc', since }), ['11-19T10:00..11-20T00:00', '11-20T00:00..-']);
    assert.deepEqual(spans({ order: 'asc', since: since - 72 * HOUR }, 20), [
      '11-16T10:00..11-17T00:00',
      '11-17T00:00..11-21T00:00',
      '11-21T00:00..-',
    ]);
    // In the last hours of a day it is the next one as well.
    assert.deepEqual(spans({ order: 'asc', since: NOW - 62 * HOUR, until: NOW }, 1)[0], '11-19T20:00..11-21T00:00');
  });

  it('go on behind the last record that was read', () => {
    const after = { time: NOW - 48 * HOUR, ingested: 0, place: '', cluster: '', number: 0 };
    assert.deepEqual(spans({ after }), ['11-20T09:00..11-20T10:00', '-..11-20T09:00']);
    assert.deepEqual(spans({ after, order: 'asc', since: 0 }), ['11-20T10:00..11-21T00:00', '11-21T00:00..-']);
  });

  it('say what has been looked through with each of them', () => {
    const [since, until] = [NOW - 72 * HOUR, NOW];
    for (const [order, ...looked] of [
      ['desc', '11-22T09:00..11-22T10:00', '11-22T05:00..11-22T10:00', '11-19T10:00..11-22T10:00'],
      ['asc', '11-19T10:00..11-20T00:00', '11-19T10:00..11-22T10:00'],
      ['arrival', '11-19T10:00..11-22T10:00'],
    ] as const) {
      const spans = new Spans({ ...QUERY, since, until, order }, NOW);
      const told: string[] = [];
      for (let span = spans.next(0); span !== undefined; span = spans.next(50)) told.push(words(spans.looked));
      assert.deepEqual(told, looked);
    }
  });

  it('leave out no moment, and have none twice', () => {
    for (let hours = 1; hours < 3_000; hours += 37) {
      const time = { since: NOW - hours * HOUR, until: NOW - (hours % 5) * HOUR };
      for (const limit of [1, 100, 5_000]) {
        checkWhole(time, spansOf({ ...time, limit, order: 'asc' }, [1]));
        checkWhole(time, spansOf({ ...time, limit, order: 'desc' }, [1]).toReversed());
      }
    }
  });
});
