import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generateDns } from '../../../../fixtures/generate-dns.ts';
import { generateFlows } from '../../../../fixtures/generate-flows.ts';
import { LineSplitter } from '../../record/lines.ts';
import { RecordReader } from '../../record/record.ts';
import { fileKey } from '../../record/source.ts';
import { dns } from '../../types/dns.ts';
import { flows } from '../../types/flows.ts';
import { CurrentSettings } from '../store-settings.ts';
import { BulkLines, type FileLines } from './bulk-lines.ts';
import { IndexNames } from './index-names.ts';

/** Yesterday's noon: an hour back or ahead is the same day, and one that is kept. */
const NOW = Math.floor(Date.now() / 86_400_000) * 86_400_000 - 43_200_000;
const END = NOW / 1000 - 60;
const SETTINGS = new CurrentSettings();
const NAMES = new IndexNames(SETTINGS);

function fileOf(lines: readonly string[] | Buffer, type = flows): FileLines {
  const bytes = Buffer.isBuffer(lines) ? lines : Buffer.from(`${lines.join('\n')}\n`);
  const position = { fileKey: fileKey(Buffer.from('first')), offset: 123_456_789_012 };
  return { type, cluster: 'prod-eu', host: 'node-1', position, bytes };
}

/** What the manager would write for these lines. */
function expected(file: FileLines): { body: string; letters: string[] } {
  const reader = new RecordReader(file.type, file, NOW);
  const splitter = new LineSplitter({ offset: file.position.offset });
  let body = '';
  const letters: string[] = [];
  for (const line of splitter.push(file.bytes)) {
    const read = reader.read(line);
    if (read.kind === 'dead-letter') letters.push(`${read.letter.id} ${read.letter.reason}`);
    if (read.kind !== 'record') continue;
    const { id, day, document, added } = read.record;
    body += `{"create":{"_index":"${NAMES.day(file.type, file.cluster, day).index}","_id":"${id}"}}\n`;
    body += `${document.open},${added},"ingested":${NOW}}\n`;
  }
  return { body, letters };
}

/** What BulkLines writes, once Elasticsearch has refused what it does. */
function actual(file: FileLines): { body: string; letters: string[] } {
  const lines = new BulkLines(SETTINGS, 16);
  const letters = lines.fill(file, NOW);
  const text = () => lines.body.sentAt(NOW, 0, lines.body.count).toString();
  let documents = text().split('\n');
  for (let item = 0; item < documents.length / 2 - 1; item++) {
    if (isJson(documents[item * 2 + 1] ?? '')) continue;
    const letter = lines.refused(item, 'refused');
    if (letter !== undefined) letters.push(letter);
    documents = text().split('\n');
  }
  const kept = documents.slice(0, -1).filter((_, at) => isJson(documents[at | 1] ?? ''));
  return {
    body: kept.map((line) => `${line}\n`).join(''),
    letters: letters.map(({ id, reason }) => `${id} ${reason}`),
  };
}

/** Whether Elasticsearch would take it: it refuses a key that is there twice. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
  } catch {
    return false;
  }
  return ['cluster', 'ingested', '@timestamp', 'host'].every((key) => text.split(`"${key}":`).length === 2);
}

describe('BulkLines', () => {
  for (const [what, type, generate] of [
    ['flows', flows, generateFlows],
    ['DNS logs', dns, generateDns],
  ] as const) {
    it(`writes ${what} as the manager does`, () => {
      const lines = [...generate({ seed: 7, count: 2000, from: NOW - 36 * 3_600_000, to: NOW })];
      const file = fileOf(lines, type);
      const { body, letters } = actual(file);
      assert.deepEqual([body, letters], [expected(file).body, []]);
      assert.equal(body.split('\n').length, 4001);
    });
  }

  it('takes lines of other forms among them, also such as are longer than what is looked at together', () => {
    const plain = [...generateFlows({ seed: 8, count: 1500, from: NOW - 3_600_000, to: NOW })];
    const others = [
      (line: string) => line.replace('"wep"', '"\\u0077ep"'),
      (line: string) => line.replace('"-"', `"${'x'.repeat(5_000)}"`),
      (line: string) => line.replace('"-"', `"${'y'.repeat(70_000)}"`),
      () => '',
      (line: string) => `${line} `,
    ];
    const lines = plain.map((line, at) => (at % 3 > 0 ? line : (others[(at / 3) % others.length]?.(line) ?? line)));
    const file = fileOf(lines);
    const { body, letters } = actual(file);
    assert.deepEqual([body, letters], [expected(file).body, []]);
    assert.equal(body.split('\n').length, 2801);
  });

  it('takes lines that differ from the one before in digits alone, each by its own time', () => {
    const midnight = NOW / 1000 - 43_200;
    const ahead = NOW / 1000 + 43_200;
    const times = [
      midnight - 1,
      midnight,
      midnight + 1,
      midnight - 86_401,
      midnight + 86_399,
      ahead - 1,
      ahead,
      ahead + 1,
    ];
    const spelled = [...times, ...times.toReversed(), `${midnight}.5`, `${midnight}000`];
    const file = fileOf(spelled.map((time, n) => `{"n1":${n},"start_time":${n * 7},"end_time":${time},"n2":${n}}`));
    const { body, letters } = actual(file);
    assert.deepEqual(
      [body.split('\n').sort(), letters],
      [expected(file).body.split('\n').sort(), expected(file).letters],
    );
    assert.equal(letters.length, 2);
  });

  for (const line of [
    `{"end_time":${END},"a":1} //}`,
    `{"end_time":${END},"a":1} /*}`,
    `{"end_time":${END},/*"*/"a":1}`,
    `{"end_time":${END},"num_flows":3}"num_flows":3}`,
    `{"end_time":${END}}{"end_time":${END}}`,
    `{"end_time":${END},"policies":{"all_policies":[]}`,
    `{"end_time":${END},"a":"torn`,
    `{"end_time":${END},"a":"torn}`,
    `{"end_time":${END},"a":[1}`,
    `{"end_time":${END},"cluster":"other"}`,
    `{"end_time":${END},"clust\\u0065r":"other"}`,
    `{"end_time":${END},"ingested":5,"@timestamp":6,"_doc_count":7}`,
    `{"end_time":${END},"host":"own"}`,
    `{"end_time":${END},"host": "own"}`,
    `{"a":{"end_time":5},"end_time":${END}}`,
    `{"a":["end_time",5],"end_time":${END}}`,
    `{"a":"end_time","b":"\\"end_time\\":5","end_time":${END}}`,
    `{"end_time" : ${END}}`,
    `{"end_time":"${new Date(END * 1000).toISOString()}"}`,
    `  {"end_time":${END}} \r`,
    `{"end_time":5}`,
    `{"end_time":${END + 86_400}}`,
    '{"end_time":null}',
    '{}',
    '}',
    '[1]',
    'no JSON',
    '   ',
    '',
    `{"end_time":${END},"long":"${'x'.repeat(5000)}"}`,
    `{"end_time":${END},"umlaut":"\u00fc\u{1f600}"}`,
  ]) {
    it(`makes of ${JSON.stringify(line.slice(0, 70))} what the manager does`, () => {
      const file = fileOf([`{"end_time":${END},"n":1}`, line, `{"end_time":${END},"n":2}`]);
      const wanted = expected(file);
      const found = actual(file);
      assert.deepEqual(found.body.split('\n').sort(), wanted.body.split('\n').sort());
      assert.deepEqual(found.letters, wanted.letters);
    });
  }

  it('sets aside what is not UTF-8, and nothing beside it', () => {
    const file = fileOf(Buffer.from(`{"end_time":${END},"a":"\xff"}\n{"end_time":${END},"a":"\xfc"}\n`, 'latin1'));
    const mixed = fileOf(Buffer.concat([file.bytes, Buffer.from(`{"end_time":${END}}\n`)]));
    assert.deepEqual(actual(mixed), expected(mixed));
    assert.equal(actual(mixed).letters.length, 2);
  });

  it('leaves what is kept as it was, with the moment at which it is sent again', () => {
    const lines = new BulkLines(SETTINGS, 16);
    lines.fill(fileOf([1, 2, 3, 4].map((n) => `{"end_time":${END},"n":${n}}`)), NOW);
    const before = lines.body.sentAt(NOW, 0, 4).toString().split('\n');
    lines.keep([1, 3]);
    const after = lines.body.sentAt(NOW + 5000, 0, 2).toString();
    const wanted = [...before.slice(2, 4), ...before.slice(6, 8)].join('\n');
    assert.equal(after, `${wanted.replaceAll(`"ingested":${NOW}`, `"ingested":${NOW + 5000}`)}\n`);
    assert.equal(lines.refused(1, 'because'), undefined, 'once more, in the form that RecordReader gives it');
    assert.equal(lines.refused(2, 'because')?.line.bytes.toString(), `{"end_time":${END},"n":4}`);
    assert.equal(lines.refused(2, 'because')?.reason, 'because');
  });
});
