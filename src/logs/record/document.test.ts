import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DOCUMENTED_DNS, DOCUMENTED_FLOW } from '../../../fixtures/samples.ts';
import { readDocument, timeField } from './document.ts';

const FIELDS = [timeField('end_time')];

function read(text: string) {
  return readDocument(Buffer.from(text), FIELDS);
}

/** The document as it would be stored without anything of ours. */
function whole(text: string): string {
  return `${read(text).open.toString()}}`;
}

describe('readDocument', () => {
  it('leaves the bytes of a record as they are', () => {
    const line = '{"end_time":1597166383, "name":"a\\u00e9\\"}",  "n":1.50}';
    assert.equal(whole(line), line);
    assert.equal(read(line).time, 1_597_166_383_000);
  });

  it('reads the documented samples', () => {
    const flow = read(DOCUMENTED_FLOW);
    assert.deepEqual([flow.time, flow.hasHost], [1_597_166_383_000, true]);
    const dns = read(DOCUMENTED_DNS);
    assert.deepEqual([dns.time, dns.hasHost], [Date.UTC(2026, 7, 20, 10, 20), true]);
  });

  it('takes our keys out, at the top and nowhere else', () => {
    const line =
      '{"cluster":"x","end_time":1597166383,"@timestamp":7,"in":{"cluster":"y","ingested":1},"ingested":"z","s":"\\"cluster\\""}';
    assert.deepEqual(JSON.parse(whole(line)), {
      end_time: 1597166383,
      in: { cluster: 'y', ingested: 1 },
      s: '"cluster"',
    });
  });

  it('keeps the digits of numbers when it has to write a record anew', () => {
    const line =
      '{"cluster":"x","end_time":1597166383,"big":12345678901234567890,"fine":1.10,"list":[1e2,{"deep":-0.0}]}';
    assert.equal(whole(line), line.replace('"cluster":"x",', ''));
  });

  it('takes the time at the top where another is inside', () => {
    const inside = '{"body":{"end_time":1},"end_time":1597166383}';
    assert.equal(read(inside).time, 1_597_166_383_000);
    assert.equal(read('{"text":"\\"end_time\\":3","end_time":1597166383}').time, 1_597_166_383_000);
  });

  it('reads what is written with more white space', () => {
    const { open, time } = read(' \t{ "end_time" : "2026-11-22T18:30:04Z" } \r');
    assert.equal(time, Date.UTC(2026, 10, 22, 18, 30, 4));
    assert.deepEqual(JSON.parse(`${open.toString()}}`), { end_time: '2026-11-22T18:30:04Z' });
  });

  it('falls back on the second time field', () => {
    const fields = ['stageTimestamp', 'requestReceivedTimestamp'].map(timeField);
    const line = Buffer.from('{"requestReceivedTimestamp":"2026-11-22T18:30:04.000001Z"}');
    assert.equal(readDocument(line, fields).time, Date.UTC(2026, 10, 22, 18, 30, 4));
  });

  for (const [text, reason] of [
    ['', /not a JSON object/],
    ['{', /not a JSON object/],
    ['}{', /not a JSON object/],
    ['[{"end_time":5}]', /not a JSON object/],
    ['"end_time"', /not a JSON object/],
    ['{}', /no usable time in end_time/],
    ['{"end_time":null}', /no usable time/],
    ['{"end_time":"-"}', /no usable time/],
    ['{"end_time":{"a":1}}', /no usable time/],
    ['{"end_time":5,"end_time":}', /not JSON/],
    ['{"cluster":x,"end_time":5}', /not JSON/],
    [`${'{"cluster":'.repeat(100_000)}1${'}'.repeat(100_000)}`, /not JSON|no usable time/],
  ] as const) {
    it(`refuses ${text.slice(0, 40)}`, () => assert.throws(() => read(text), reason));
  }
});
