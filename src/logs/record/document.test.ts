import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DOCUMENTED_DNS, DOCUMENTED_FLOW } from '../../../fixtures/samples.ts';
import { auditKube } from '../types/audit.ts';
import { bgp } from '../types/bgp.ts';
import { date } from '../types/fields.ts';
import { waf } from '../types/waf.ts';
import { DocumentReader } from './document.ts';

const FORM = {
  timeFields: ['end_time'],
  maxDepth: 1000,
  mappings: { properties: { start_time: date, end_time: date } },
};
const READER = new DocumentReader(FORM);

function read(text: string) {
  return READER.read(Buffer.from(text));
}

/** The document as it would be stored without anything of ours. */
function whole(text: string): string {
  return `${read(text).open.toString()}}`;
}

describe('DocumentReader', () => {
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

  it('takes no record that is nested deeper than the store can read, in whatever form it is written', () => {
    for (const [open, close] of [
      ['{"a":', '}'],
      ['[', ']'],
    ] as const) {
      const nested = (levels: number) => `${open.repeat(levels - 1)}1${close.repeat(levels - 1)}`;
      for (const first of ['"x"', '"\\u0078"']) {
        const line = (levels: number) => `{${first}:0,"end_time":1597166383,"deep":${nested(levels)}}`;
        assert.equal(read(line(1000)).time, 1_597_166_383_000);
        assert.throws(() => read(line(1001)), /nested more than 1000 levels deep/);
        // The parser gives up by itself somewhere.
        for (const levels of [5000, 100_000]) assert.throws(() => read(line(levels)), /nested more than|not JSON/);
      }
    }
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

  it('keeps a host, of whatever kind it is, and adds none beside it', () => {
    assert.equal(read('{"host":"a","end_time":1597166383}').hasHost, true);
    assert.equal(read('{"host":null,"end_time":1597166383,"cluster":1}').hasHost, true);
    assert.equal(read('{"in":{"host":"a"},"end_time":1597166383}').hasHost, false);
  });

  it('drops a number of documents that the record claims to stand for', () => {
    assert.equal(whole('{"end_time":1597166383,"_doc_count":1000}'), '{"end_time":1597166383}');
  });

  it('knows our keys by whatever escapes they are written with', () => {
    const line = '{"\\u0063luster":"x","\\u0040timestamp":1,"ingeste\\u0064":2,"end_time":1597166383}';
    assert.equal(whole(line), '{"end_time":1597166383}');
  });

  it('takes what looks like a comment or a bracket in a string for what it is', () => {
    const line = '{"url":"https://x/*y*/","end_time":1597166383,"n":"]}{[,\\"cluster\\":1"}';
    assert.equal(whole(line), line);
  });

  it('falls back on the second time field', () => {
    const reader = new DocumentReader(auditKube);
    const line = Buffer.from('{"requestReceivedTimestamp":"2026-11-22T18:30:04.000001Z"}');
    assert.equal(reader.read(line).time, Date.UTC(2026, 10, 22, 18, 30, 4));
  });

  it('spells times anew that would be indexed as others, to their last digit', () => {
    assert.deepEqual(
      JSON.parse(whole('{"start_time":1597166083000,"a":1.50,"end_time":1597166383123456789,"started":1597166083000}')),
      {
        start_time: '2020-08-11T17:14:43.000Z',
        a: 1.5,
        end_time: '2020-08-11T17:19:43.123456789Z',
        started: 1597166083000,
      },
    );
    const line = '{"start_time":"1597166083","end_time":"1597166383.5"}';
    assert.equal(whole(line), line);
  });

  it('reads a time that is in a member of ours, and takes that out', () => {
    const { open, time } = new DocumentReader(waf).read(Buffer.from('{"@timestamp":1597166383000,"path":"/"}'));
    assert.deepEqual([open.toString(), time], ['{"path":"/"', 1_597_166_383_000]);
  });

  it('makes a record of a line of BIRD, and of no other text', () => {
    const reader = new DocumentReader(bgp);
    for (const between of ['T', '_']) {
      const { open, time } = reader.read(
        Buffer.from(`2026-11-22${between}18:30:04.12345 bird: Mesh_10_0_0_1: "Connected" {}`),
      );
      assert.deepEqual(JSON.parse(`${open}}`), {
        logtime: '2026-11-22T18:30:04.12345Z',
        message: 'Mesh_10_0_0_1: "Connected" {}',
      });
      assert.equal(time, Date.UTC(2026, 10, 22, 18, 30, 4, 123));
    }
    for (const text of ['2026-11-22 18:30:04 bird: x', 'bird: x', '2026-13-45_18:30:04.12345 bird: x', '["x"]']) {
      assert.throws(() => reader.read(Buffer.from(text)), /not a JSON object|no usable time/);
    }
    // As Calico's collector writes it.
    assert.equal(
      reader.read(Buffer.from('{"logtime":"2026-11-22T18:30:04","message":"x"}')).time,
      Date.UTC(2026, 10, 22, 18, 30, 4),
    );
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
    ['{"end_time":1597166383e5000}', /no usable time/],
    ['{"end_time":5,"end_time":}', /not JSON/],
    // Elasticsearch takes comments: one before our members would hide them, and let the sender's stand for them.
    ['{"end_time":1597166383,"\\u0063luster":"victim"} //}', /not JSON/],
    ['{"end_time":1597166383} /*}', /not JSON/],
    ['{"end_time":1597166383,"a":1//}', /not JSON/],
    ['{"end_time":1597166383,"a":1/*}', /not JSON/],
    ['{/**/"end_time":1597166383}', /not JSON/],
    // Two records that a torn write ran into one another.
    ['{"end_time":1597166383}"num_flows":3}', /not JSON/],
    ['{"end_time":1597166383}{"end_time":1597166383}', /not JSON/],
    ['{"end_time":1597166383,"p":{"all":1}', /not JSON/],
    ['{"end_time":1597166383,"p":"}', /not JSON/],
    ['{"end_time":1597166383,"p":"\\\\"}"}', /not JSON/],
    ['{"cluster":x,"end_time":5}', /not JSON/],
    [`${'{"cluster":'.repeat(100_000)}1${'}'.repeat(100_000)}`, /not JSON|no usable time|nested/],
  ] as const) {
    it(`refuses ${text.slice(0, 40)}`, () => assert.throws(() => read(text), reason));
  }
});
