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
    assert.deepEqual(decodeRecords(Buffer.concat(encodeRecords(checksummed)), dayOf(NOW)), checksummed);
  });

  it('is the same dead letters again, whatever is in them', () => {
    const random = new Random(7);
    const text = () => Array.from({ length: 20 }, () => random.pick([...'aé漢🏔\\"'])).join('');
    const { letters } = read(Array.from({ length: 200 }, text));
    assert.equal(letters.length, 200);
    const named = letters.map((letter, n) => ({ ...letter, id: n % 2 === 0 ? letter.id : text(), reason: text() }));
    assert.deepEqual(decodeLetters(Buffer.concat(encodeLetters(named))), named);
  });

  it('is a few pieces where lines follow each other, and one where they do not', () => {
    const lines = [...generateFlows({ seed: 1, count: 500, from: NOW - 60_000, to: NOW })];
    const { records } = read(lines);
    const [, , ...memory] = encodeRecords(records);
    assert.equal(Buffer.concat(memory).toString(), lines.join('\n'));
    assert.ok(memory.length <= 2, `${memory.length}`);
    const apart = lines.flatMap((line) => read([line]).records);
    const pieces = encodeRecords(apart);
    assert.equal(pieces.length, 1);
    assert.deepEqual(decodeRecords(Buffer.concat(pieces), dayOf(NOW)), apart);
  });

  it('holds nothing that only happens to stand between its lines', () => {
    const memory = Buffer.from('{"end_time":1795348800}SECRET{"end_time":1795348800}');
    const [first, second] = [memory.subarray(0, 23), memory.subarray(29)];
    const letters = [first, second].map((bytes) => ({ id: 'a', reason: '', line: { offset: 0, length: 23, bytes } }));
    assert.equal(Buffer.concat(encodeLetters(letters)).includes('SECRET'), false);
  });

  it('is nothing when a part is missing', () => {
    const { records } = read(generateFlows({ seed: 1, count: 5, from: NOW - 60_000, to: NOW }));
    const body = Buffer.concat(encodeRecords(records));
    for (const length of [1, 10, 100, body.length - 1]) {
      assert.throws(() => decodeRecords(body.subarray(0, length), '20261122'), RangeError);
    }
  });
});
