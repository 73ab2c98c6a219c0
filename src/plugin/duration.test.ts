import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { humanDuration, parseDuration, parseMoment } from './duration.ts';

describe('parseDuration', () => {
  for (const [text, milliseconds] of [
    ['0', 0],
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['0.5s', 500],
    ['250ms', 250],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['1d12h', 129_600_000],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), milliseconds));
  }

  for (const text of ['', '5', 'abc', '5x', '-5m', '5 m', 'm5', '1h 2m', '1,5h']) {
    it(`refuses "${text}"`, () => assert.equal(parseDuration(text), undefined));
  }
});

describe('parseMoment', () => {
  const now = Date.UTC(2026, 10, 22, 18);

  it('counts durations back from now', () => assert.equal(parseMoment('2h', now), now - 7_200_000));
  it('takes a date as UTC', () => assert.equal(parseMoment('2026-11-22', now), Date.UTC(2026, 10, 22)));
  it('takes RFC 3339', () => assert.equal(parseMoment('2026-11-22T18:00:00+01:00', now), now - 3_600_000));

  for (const text of ['now', '2026-11-22T18:00:00', '2026-02-30T25:00:00Z', '22.11.2026']) {
    it(`refuses ${text}`, () => assert.equal(parseMoment(text, now), undefined));
  }
});

describe('humanDuration', () => {
  // What kubectl prints for the same spans.
  for (const [seconds, text] of [
    [0, '0s'],
    [45, '45s'],
    [119, '119s'],
    [120, '2m'],
    [312, '5m12s'],
    [600, '10m'],
    [10_799, '179m'],
    [10_800, '3h'],
    [11_000, '3h3m'],
    [28_800, '8h'],
    [172_799, '47h'],
    [172_800, '2d'],
    [442_800, '5d3h'],
    [691_200, '8d'],
    [63_072_000, '2y'],
    [64_281_600, '2y14d'],
    [252_288_000, '8y'],
    [-5, '<invalid>'],
  ] as const) {
    it(`${seconds} s are ${text}`, () => assert.equal(humanDuration(seconds * 1000), text));
  }
});
