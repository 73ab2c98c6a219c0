import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dayOf, indexableTime, parseTime } from './time.ts';

const MOMENT = Date.UTC(2026, 10, 22, 18, 30, 4);

describe('parseTime', () => {
  for (const value of [
    MOMENT / 1000,
    MOMENT,
    MOMENT * 1000,
    MOMENT * 1_000_000,
    String(MOMENT / 1000),
    String(MOMENT),
    '2026-11-22T18:30:04Z',
    '2026-11-22T18:30:04.000000Z',
    '2026-11-22t18:30:04z',
    '2026-11-22T20:30:04+02:00',
    '2026-11-22 18:30:04Z',
    '2026-11-22T18:30:04',
  ]) {
    it(`reads ${JSON.stringify(value)}`, () => assert.equal(parseTime(value), MOMENT));
  }

  it('reads nanoseconds to the millisecond', () => {
    // As a number it is 2006189827097999872.
    assert.equal(parseTime('2006189827098000000'), 2_006_189_827_098);
  });

  it('keeps fractions of a second', () => {
    assert.equal(parseTime('2026-11-22T18:30:04.123456789Z'), MOMENT + 123);
    assert.equal(parseTime(MOMENT / 1000 + 0.5), MOMENT + 500);
  });

  for (const value of [
    undefined,
    null,
    '',
    '-',
    'yesterday',
    true,
    {},
    [],
    0,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '2026-11-22',
    '2026-13-01T00:00:00Z',
    1e30,
    '1e9',
    '0x10',
    ' 1',
  ]) {
    it(`refuses ${JSON.stringify(value)}`, () => assert.equal(parseTime(value), undefined));
  }
});

describe('indexableTime', () => {
  for (const [value, expected] of [
    [MOMENT, '2026-11-22T18:30:04.000Z'],
    [String(MOMENT + 7), '2026-11-22T18:30:04.007Z'],
    [MOMENT * 1000 + 123456, '2026-11-22T18:30:04.123456Z'],
    ['1795372204123456789', '2026-11-22T18:30:04.123456789Z'],
    ['1795372204123.4567899', '2026-11-22T18:30:04.123456789Z'],
    ['2026-11-22t18:30:04.5z', '2026-11-22T18:30:04.5Z'],
    ['2026-11-22 20:30:04+02:00', '2026-11-22T18:30:04Z'],
    ['2026-11-22T18:30:04.1234567891Z', '2026-11-22T18:30:04.123456789Z'],
  ] as const) {
    it(`spells ${JSON.stringify(value)}`, () => assert.equal(indexableTime(value), expected));
  }

  for (const value of [
    MOMENT / 1000,
    MOMENT / 1000 + 0.5,
    String(MOMENT / 1000),
    '1795372204.123456789',
    '2026-11-22T18:30:04Z',
    '2026-11-22T18:30:04.123456789+02:00',
    '2026-11-22T18:30:04',
    '-',
    null,
    undefined,
    12,
  ]) {
    it(`leaves ${JSON.stringify(value)} as it is`, () => assert.equal(indexableTime(value), value));
  }
});

describe('dayOf', () => {
  it('is the UTC day', () => {
    assert.equal(dayOf(Date.UTC(2026, 10, 22, 23, 59, 59, 999)), '20261122');
    assert.equal(dayOf(Date.UTC(2026, 10, 23)), '20261123');
    assert.equal(dayOf(Date.UTC(2026, 10, 22)), '20261122');
  });
});
