import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { generateFlows } from '../../fixtures/generate-flows.ts';
import { generateGoldmane } from '../../fixtures/generate-goldmane.ts';
import type { Random } from '../../fixtures/random.ts';
import { readGoldmaneFlow } from '../../src/logs/goldmane/goldmane-flow.ts';
import { GoldmaneReader } from '../../src/logs/goldmane/goldmane-reader.ts';
import { readPlainFlow } from '../../src/logs/goldmane/plain-flow.ts';
import { DocumentReader } from '../../src/logs/record/document.ts';
import { isBlank, type Line, LineSplitter } from '../../src/logs/record/lines.ts';
import { RecordReader } from '../../src/logs/record/record.ts';
import { dayOf, parseTime } from '../../src/logs/record/time.ts';
import { BulkLines } from '../../src/logs/store/elasticsearch/bulk-lines.ts';
import { OpenDays } from '../../src/logs/store/retention.ts';
import { CurrentSettings } from '../../src/logs/store/store-settings.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { mutated, mutatedText, mutatedValue } from './mutation.ts';
import type { FuzzTarget } from './target.ts';

// Always the same, so that a seed's input is.
const NOW = Date.UTC(2026, 10, 22, 12);
const FLOWS = [...generateFlows({ seed: 1, count: 200, from: NOW - 60_000, to: NOW })];
const GOLDMANE = [...generateGoldmane({ seed: 1, count: 200, from: NOW - 600_000, to: NOW })];
const SOURCE = { cluster: 'ours', host: 'node-1', position: { fileKey: '0'.repeat(32), offset: 0 } };

/** What is ours in every record, whatever its sender says. */
const OURS = ['cluster', 'ingested', '@timestamp', '_doc_count', 'host'];

type Json = Readonly<Record<string, unknown>>;

/** Cut anywhere, lines are those of the whole, and never more of one is held than may be. */
function splitLines(random: Random): void {
  const maxLine = random.pick([1, 5, 100, 5_000]);
  const text = Array.from({ length: random.between(0, 60) }, () =>
    random.pick(['a', 'é', '\n', '\r\n', '{}', '\n\n', 'x'.repeat(random.between(0, 9_000))]),
  ).join('');
  const bytes = Buffer.from(text);
  const offset = random.between(0, 1_000_000);
  const splitter = new LineSplitter({ offset, maxLine });
  const lines: Line[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + random.between(1, random.pick([1, 9, 20_000]));
    // What was pushed is the caller's again.
    const chunk = Buffer.from(bytes.subarray(at, end));
    for (const line of splitter.push(chunk)) lines.push({ ...line, bytes: Buffer.from(line.bytes) });
    chunk.fill('?');
    at = end;
  }
  const last = splitter.end();
  if (last !== undefined) lines.push(last);
  const expected = text.split('\n').map((line) => Buffer.from(line));
  if (expected.at(-1)?.length === 0) expected.pop();
  assert.equal(lines.length, expected.length);
  let at = offset;
  for (const [which, whole] of expected.entries()) {
    const line = lines[which] as Line;
    assert.deepEqual([line.offset, line.length], [at, whole.length]);
    assert.deepEqual(line.bytes, whole.length > maxLine ? whole.subarray(0, 4096) : whole);
    at += whole.length + 1;
  }
}

/** What JSON says of the text; undefined where it is none. */
function parsed(text: Buffer | string): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function withoutOurs(value: Json): Json {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !OURS.includes(name)));
}

/** Of a line and what is stored of it: nothing forged, nothing lost. */
function checkStored(line: Buffer, stored: string): void {
  const [said, kept] = [parsed(line), parsed(stored)];
  if (said === undefined) {
    assert.equal(kept, undefined, 'no JSON, and stored as some');
    return;
  }
  assert.ok(isRecord(kept), 'JSON, and stored as none');
  assert.equal(kept.cluster, 'ours');
  assert.deepEqual(withoutOurs(kept), withoutOurs(said as Json));
}

const DOCUMENTS = new DocumentReader(flows);

function readDocument(random: Random): void {
  const line = mutated(Buffer.from(random.pick(FLOWS)), random);
  if (!isUtf8(line) || line.includes(0x0a)) return;
  const said = parsed(line);
  const time = isRecord(said) ? parseTime(said.end_time) : undefined;
  try {
    const { open, time: found } = DOCUMENTS.read(line);
    checkStored(line, `${open},"cluster":"ours","@timestamp":1,"ingested":2}`);
    if (said !== undefined) assert.equal(found, time);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.ok(time === undefined || depthOf(said) > flows.maxDepth, `a record is refused: ${(error as Error).message}`);
  }
}

/** Every line becomes an item or a dead letter, under the id that the manager gives it. */
function bulkLines(random: Random): void {
  const lines = Array.from({ length: random.between(1, 8) }, () => {
    const line = mutated(Buffer.from(random.pick(FLOWS)), random, 2);
    return Buffer.from(line.toString('latin1').replaceAll('\n', ''), 'latin1');
  });
  const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
  const file = { type: flows, ...SOURCE, bytes };
  const settings = new CurrentSettings();
  const open = new OpenDays(settings.value.retention, flows.name, SOURCE.cluster, NOW);
  const bulk = new BulkLines(settings, bytes.length);
  const letters = bulk.fill(file, NOW);
  const body = bulk.body.sentAt(NOW, 0, bulk.body.count).toString('latin1').split('\n').slice(0, -1);
  const stored = new Map<string, string>();
  for (let at = 0; at < body.length; at += 2) {
    const { create } = parsed(body[at] ?? '') as { create: { _id: string } };
    stored.set(create._id, Buffer.from(body[at + 1] ?? '', 'latin1').toString());
  }
  const reader = new RecordReader(flows, SOURCE, NOW);
  let offset = 0;
  let records = 0;
  for (const line of lines) {
    const read = reader.read({ offset, bytes: line, length: line.length });
    offset += line.length + 1;
    if (isBlank(line)) continue;
    records++;
    const id = read.kind === 'record' ? read.record.id : read.kind === 'dead-letter' ? read.letter.id : '';
    const document = stored.get(id);
    if (document === undefined)
      assert.ok(
        letters.some((letter) => letter.id === id),
        'a line is nowhere',
      );
    else checkStored(line, document);
    // The short way leaves it to Elasticsearch to refuse what is no JSON, and nothing else.
    if (read.kind === 'record')
      assert.equal(document !== undefined, open.has(read.record.day), 'a record is set aside');
    else if (document !== undefined) assert.equal(parsed(document), undefined);
  }
  assert.equal(stored.size + letters.length, records);
}

function readGoldmane(random: Random): void {
  const line = random.pick(GOLDMANE);
  const bytes = random.chance(0.5)
    ? mutated(Buffer.from(line), random)
    : Buffer.from(JSON.stringify(mutatedValue(JSON.parse(line), random)));
  // The long way says the same of what the short one takes.
  const plain = readPlainFlow(bytes);
  if (plain !== undefined) {
    const flow = readGoldmaneFlow(bytes);
    assert.ok(flow.kind === 'flow');
    assert.equal(`${plain.record}}`, JSON.stringify(flow.record));
    assert.deepEqual([plain.identity, plain.time], [flow.identity, flow.time]);
  }
  const read = new GoldmaneReader(SOURCE, NOW).read({ offset: 0, bytes, length: bytes.length });
  if (read.kind !== 'record') {
    assert.ok(read.kind === 'blank' ? isBlank(bytes) : read.letter.reason.length > 0);
    return;
  }
  const { document, added } = read.record;
  const kept = parsed(`${document.open},${added}}`);
  assert.ok(isRecord(kept));
  assert.equal(kept.cluster, 'ours');
  for (const [name, value] of Object.entries(kept)) {
    if (typeof value === 'number') assert.ok(Number.isSafeInteger(value) && value >= 0, `${name} is ${value}`);
  }
}

function readTime(random: Random): void {
  const time = Math.floor(Date.UTC(1973, 3) + random.next() * (Date.UTC(2116, 0) - Date.UTC(1973, 3)));
  const seconds = Math.floor(time / 1000);
  assert.equal(parseTime(seconds), seconds * 1000);
  assert.equal(parseTime(time), time);
  assert.equal(parseTime(time * 1000), time);
  assert.equal(parseTime(`${time}000000`), time);
  const text = new Date(time).toISOString();
  assert.equal(parseTime(text), time);
  const zone = random.between(-14 * 60, 14 * 60);
  const there = new Date(time + zone * 60_000).toISOString().slice(0, -1);
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, '0');
  assert.equal(parseTime(`${there}${zone < 0 ? '-' : '+'}${two(zone / 60)}:${two(zone % 60)}`), time);
  assert.equal(dayOf(time), text.slice(0, 10).replaceAll('-', ''));
  const other = mutatedText(random.pick([text, String(time), String(seconds)]), random);
  for (const value of [other, Number(other)]) {
    const found = parseTime(value);
    if (found === undefined) continue;
    assert.ok(Number.isSafeInteger(found) && found > 0, `${value} is ${found}`);
    assert.match(dayOf(found), /^\d{8}$/);
  }
}

export const RECORD_TARGETS: readonly FuzzTarget[] = [
  { name: 'lines of a stream', rounds: 1_000, round: splitLines },
  { name: 'a record in a line', rounds: 8_000, round: readDocument },
  { name: 'lines in a bulk request', rounds: 1_500, round: bulkLines },
  { name: "a flow of Goldmane's", rounds: 4_000, round: readGoldmane },
  { name: 'times', rounds: 10_000, round: readTime },
];
