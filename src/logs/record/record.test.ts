import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { auditKube } from '../types/audit.ts';
import { flows } from '../types/flows.ts';
import type { LogType } from '../types/log-type.ts';
import { LineSplitter } from './lines.ts';
import { type ReadLine, RecordReader } from './record.ts';
import { fileKey, readUploadSource, type UploadSource } from './source.ts';

const KEY = fileKey(Buffer.from('first line'));
const SOURCE: UploadSource = { cluster: 'prod-eu', host: 'node-1', position: { fileKey: KEY, offset: 0 } };

/** A moment after the records' own. */
const NOW = Date.UTC(2020, 7, 12);

function readAll(text: string, type: LogType, source: UploadSource): ReadLine[] {
  const reader = new RecordReader(type, source, NOW);
  const splitter = new LineSplitter({ offset: source.position?.offset ?? 0 });
  return [...splitter.push(Buffer.from(text))].map((line) => reader.read(line));
}

function ids(text: string, type: LogType = flows, source: UploadSource = SOURCE): string[] {
  return readAll(text, type, source).map((read) => {
    assert.equal(read.kind, 'record');
    return read.kind === 'record' ? read.record.id : '';
  });
}

const LINE = '{"end_time":1597166383,"n":1}\n';

describe('RecordReader', () => {
  it('gives a record its cluster, time and host', () => {
    const [read] = readAll(LINE, flows, SOURCE);
    assert.equal(read?.kind, 'record');
    if (read?.kind !== 'record') return;
    assert.equal(read.record.added, '"cluster":"prod-eu","@timestamp":1597166383000,"host":"node-1"');
    assert.equal(read.record.day, '20200811');
  });

  it('leaves a record the host that it names', () => {
    const [read] = readAll(LINE.replace('{', '{"host":"other",'), flows, SOURCE);
    assert.equal(read?.kind === 'record' ? read.record.added : '', '"cluster":"prod-eu","@timestamp":1597166383000');
  });

  it('sets aside what is of another time', () => {
    const reason = (end: number, type: LogType = flows, field = 'end_time') => {
      const [read] = readAll(`{"${field}":${end / 1000}}\n`, type, SOURCE);
      return read?.kind === 'dead-letter' ? read.letter.reason : read?.kind;
    };
    const hour = 3_600_000;
    assert.equal(reason(NOW + 12 * hour), 'record');
    assert.equal(reason(NOW + 12 * hour + 1000), 'its time, 2020-08-12T12:00:01.000Z, is more than 12 hours ahead');
    assert.equal(reason(NOW - 1000 * 24 * hour), 'record', "how old a record may be is the store's to say");
  });

  it('sets aside what is not UTF-8', () => {
    const reader = new RecordReader(flows, SOURCE);
    const bytes = Buffer.concat([Buffer.from('{"end_time":5,"a":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    const read = reader.read({ offset: 0, bytes, length: bytes.length });
    assert.equal(read.kind === 'dead-letter' ? read.letter.reason : '', 'not UTF-8');
  });
});

describe('ids of lines with a position', () => {
  it('are the same for the same line at the same place, however it is sent', () => {
    const [first, second] = ids(LINE + LINE);
    assert.notEqual(first, second);
    const later = { ...SOURCE, position: { fileKey: KEY, offset: LINE.length } };
    assert.deepEqual(ids(LINE, flows, later), [second]);
  });

  it('differ by cluster, host, file, place and content', () => {
    const [id] = ids(LINE);
    for (const [text, source] of [
      [LINE, { ...SOURCE, cluster: 'prod-us' }],
      [LINE, { ...SOURCE, host: 'node-2' }],
      [LINE, { ...SOURCE, position: { fileKey: fileKey(Buffer.from('x')), offset: 0 } }],
      [LINE, { ...SOURCE, position: { fileKey: KEY, offset: 1 } }],
      [LINE.replace('1}', '2}'), SOURCE],
    ] as const) {
      assert.notDeepEqual(ids(text, flows, source), [id]);
    }
  });

  it('fit into what Elasticsearch takes', () => {
    const source = {
      cluster: 'c'.repeat(63),
      host: 'h'.repeat(253),
      position: { fileKey: KEY, offset: 999_999_999_999_999 },
    };
    const [id = ''] = ids(LINE, flows, source);
    assert.ok(Buffer.byteLength(id) <= 400, `${id.length} bytes`);
  });
});

describe('ids of lines without a position', () => {
  const bare: UploadSource = { cluster: 'prod-eu', host: undefined, position: undefined };

  it('tell equal flows of one upload apart, and are the same when it is sent again', () => {
    const [first, second] = ids(LINE + LINE, flows, bare);
    assert.notEqual(first, second);
    assert.deepEqual(ids(LINE + LINE, flows, bare), [first, second]);
  });

  it('take equal audit records for one, and never two that differ', () => {
    const audit = '{"auditID":"a","stage":"ResponseComplete","stageTimestamp":"2020-08-11T18:30:04Z"}\n';
    const [first, second] = ids(audit + audit, auditKube, bare);
    assert.equal(first, second);
    // A client chooses the audit id of its requests: to use one twice must not hide the second request.
    const [other] = ids(audit.replace('04Z', '05Z'), auditKube, bare);
    assert.notEqual(other, first);
  });
});

describe('readUploadSource', () => {
  const read = (headers: Readonly<Record<string, string>>) => readUploadSource('prod-eu', (name) => headers[name]);

  it('takes what a forwarder sends, or nothing', () => {
    assert.deepEqual(read({}), { cluster: 'prod-eu', host: undefined, position: undefined });
    assert.deepEqual(read({ 'kubectl-mcm-host': 'n', 'kubectl-mcm-file-key': KEY, 'kubectl-mcm-offset': '12' }), {
      cluster: 'prod-eu',
      host: 'n',
      position: { fileKey: KEY, offset: 12 },
    });
    const place = { 'kubectl-mcm-host': 'n', 'kubectl-mcm-file-key': KEY, 'kubectl-mcm-offset': '0' };
    const { position } = read({ ...place, 'kubectl-mcm-unsent': '7' });
    assert.deepEqual(position, { fileKey: KEY, offset: 0, unsent: 7 });
  });

  for (const headers of [
    { 'kubectl-mcm-host': '../x' },
    { 'kubectl-mcm-host': 'a"b' },
    { 'kubectl-mcm-host': '' },
    { 'kubectl-mcm-host': 'n', 'kubectl-mcm-file-key': KEY },
    { 'kubectl-mcm-host': 'n', 'kubectl-mcm-offset': '1' },
    { 'kubectl-mcm-file-key': KEY, 'kubectl-mcm-offset': '1' },
    { 'kubectl-mcm-host': 'n', 'kubectl-mcm-file-key': KEY.toUpperCase(), 'kubectl-mcm-offset': '1' },
    { 'kubectl-mcm-host': 'n', 'kubectl-mcm-file-key': KEY, 'kubectl-mcm-offset': '-1' },
    { 'kubectl-mcm-host': 'n', 'kubectl-mcm-file-key': KEY, 'kubectl-mcm-offset': '1e3' },
    { 'kubectl-mcm-host': 'n', 'kubectl-mcm-file-key': KEY, 'kubectl-mcm-offset': '1', 'kubectl-mcm-unsent': 'much' },
  ]) {
    it(`refuses ${JSON.stringify(headers)}`, () => assert.throws(() => read(headers), /kubectl-mcm-/));
  }
});
