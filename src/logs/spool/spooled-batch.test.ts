import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generateFlows } from '../../../fixtures/generate-flows.ts';
import { Random } from '../../../fixtures/random.ts';
import { LineSplitter } from '../record/lines.ts';
import { type DeadLetter, type LogRecord, RecordReader } from '../record/record.ts';
import { dayOf } from '../record/time.ts';
import { flows } from '../types/flows.ts';
import { decodeLetters, decodeRecords, encodeLetters, encodeRecords } from './spooled-batch.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const source = { cluster: 'prod-eu', host: 'node-1', position: { fileKey: 'a'.repeat(32), offset: 77 } };

function read(lines: Iterable<string>): { records: LogRecord[]; letters: DeadLetter[] } {
  const reader = new RecordReader(flows, source, NOW);
  const records: LogRecord[] = [];
  const letters: DeadLetter[] = [];
  for (const line of new LineSplitter({ offset: 77 }).push(Buffer.from(`${[...lines].join('\n')}\n`))) {
    const one = reader.read(line);
    if (one.kind === 'record') records.push(one.record);
    if (one.kind === 'dead-letter') letters.push(one.letter);
  }
  return { records, letters };
}

describe('a spooled batch', () => {
  it('is the same records again', () => {
    const lines = [...generateFlows({ seed: 1, count: 500, from: NOW - 60_000, to: NOW })];
    // One that is written anew, and so is no part of its line.
    lines.push(`{"end_time":${NOW / 1000},"cluster":"another","host":"Zürich 🏔"}`);
    const { records } = read(lines);
    const checksummed = records.map((record, n) => (n % 3 === 0 ? { ...record, checksum: `${n}` } : record));
    assert.equal(records.length, 501);
    assert.deepEqual(decodeRecords(encodeRecords(checksummed), dayOf(NOW)), checksummed);
  });

  it('is the same dead letters again, whatever is in them', () => {
    const random = new Random(7);
    const text = () => Array.from({ length: 20 }, () => random.pick([...'aé漢🏔\\"'])).join('');
    const { letters } = read(Array.from({ length: 200 }, text));
    assert.equal(letters.length, 200);
    const named = letters.map((letter, n) => ({ ...letter, id: n % 2 === 0 ? letter.id : text(), reason: text() }));
    assert.deepEqual(decodeLetters(encodeLetters(named)), named);
  });

  it('is nothing when a part is missing', () => {
    const { records } = read(generateFlows({ seed: 1, count: 5, from: NOW - 60_000, to: NOW }));
    const body = encodeRecords(records);
    for (const length of [1, 10, 100, body.length - 1]) {
      assert.throws(() => decodeRecords(body.subarray(0, length), '20261122'), RangeError);
    }
  });
});
