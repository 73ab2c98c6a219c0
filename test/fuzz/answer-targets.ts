import assert from 'node:assert/strict';
import type { Random } from '../../fixtures/random.ts';
import { readCertificates } from '../../src/clusters/certificate.ts';
import { UserError } from '../../src/errors.ts';
import { retryAfterOf } from '../../src/logs/forward/chunk-uploader.ts';
import { readUploadAnswer } from '../../src/logs/forward/upload-answer.ts';
import { formatCursor, parseCursor } from '../../src/logs/query/cursor.ts';
import { parseParameters } from '../../src/logs/query/log-query.ts';
import { readUploadSource, SOURCE_HEADERS } from '../../src/logs/record/source.ts';
import { type BulkAnswer, verdictsOf } from '../../src/logs/store/elasticsearch/bulk-verdict.ts';
import { readSearchAnswer, type SearchAnswer, type TextHit } from '../../src/logs/store/elasticsearch/search-answer.ts';
import { StoreUnavailable } from '../../src/logs/store/log-store.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { parseDuration, parseMoment } from '../../src/plugin/duration.ts';
import { mutatedText, mutatedValue } from './mutation.ts';
import type { FuzzTarget } from './target.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

/** Never negative, never without end: it is slept for. */
function retryAfter(random: Random): void {
  const time = new Date(NOW + (random.next() - 0.5) * 2 ** 40).toUTCString();
  const text = mutatedText(random.pick(['120', '0', '99999999999999999999', time, '-5', '']), random);
  const wait = retryAfterOf(text);
  assert.ok(wait >= 0 && wait <= 300_000, `${JSON.stringify(text)} is ${wait}`);
}

/** Other bytes, or other JSON. */
function mutatedAnswer(answer: object, random: Random): string {
  if (random.chance(0.5)) return mutatedText(JSON.stringify(answer), random, 2);
  return JSON.stringify(random.chance(0.1) ? answer : mutatedValue(answer, random));
}

/** Nothing counts as acknowledged but what accounts for every record. */
function managerAnswer(random: Random): void {
  const records = random.between(0, 9);
  const setAside = random.between(0, records);
  const accepted = records - setAside;
  const reasons = Array.from({ length: setAside }, (_, offset) => ({ offset, reason: 'because' }));
  const whole = { accepted, known: random.between(0, accepted), setAside, reasons };
  const answer = JSON.stringify(whole);
  const text = mutatedAnswer(whole, random);
  let read: ReturnType<typeof readUploadAnswer>;
  try {
    read = readUploadAnswer(text, records);
  } catch (error) {
    assert.notEqual(text, answer);
    assert.equal((error as Error).constructor, Error);
    return;
  }
  assert.equal(read.accepted + read.setAside, records);
  for (const count of [read.accepted, read.known, read.setAside]) assert.ok(Number.isSafeInteger(count) && count >= 0);
  for (const { offset, reason } of read.reasons) {
    assert.deepEqual([typeof offset, typeof reason], ['number', 'string']);
  }
}

const ERROR = { type: 'document_parsing_exception', reason: 'because', caused_by: { reason: 'of this' } };
const ITEMS = [
  { create: { status: 201 } },
  { create: { status: 409, error: { ...ERROR, type: 'version_conflict_engine_exception' } } },
  { create: { status: 400, error: ERROR } },
  { create: { status: 429, error: { ...ERROR, type: 'es_rejected_execution_exception' } } },
];

/** A verdict for each item or none at all; created is only what has a status that says so, and no error. */
function bulkAnswer(random: Random): void {
  const count = random.between(0, 5);
  const items = Array.from({ length: count }, () => random.pick(ITEMS));
  const text = mutatedAnswer({ errors: true, items }, random);
  let said: BulkAnswer | null;
  try {
    said = JSON.parse(text) as BulkAnswer | null;
  } catch {
    return;
  }
  let verdicts: ReturnType<typeof verdictsOf>;
  try {
    verdicts = verdictsOf(said, count);
  } catch (error) {
    assert.ok(error instanceof StoreUnavailable, `${error}`);
    return;
  }
  assert.equal(verdicts.length, count);
  for (const [at, verdict] of verdicts.entries()) {
    const { status, error } = said?.items?.[at]?.create ?? {};
    if (verdict.kind === 'created') assert.ok(status !== undefined && status >= 200 && status < 300 && !error);
    if (verdict.kind === 'known') assert.equal(status, 409);
    if ('reason' in verdict) assert.equal(typeof verdict.reason, 'string');
  }
}

function uploadHeaders(random: Random): void {
  const headers: Readonly<Record<string, string>> = {
    [SOURCE_HEADERS.host]: 'node-1.example',
    [SOURCE_HEADERS.fileKey]: '0123456789abcdef'.repeat(2),
    [SOURCE_HEADERS.offset]: '123456',
    [SOURCE_HEADERS.unsent]: '98765',
  };
  const given = Object.entries(headers).filter(() => random.chance(0.9));
  const changed = new Map(given.map(([name, value]) => [name, mutatedText(value, random, 1)]));
  try {
    const { host, position } = readUploadSource('ours', (name) => changed.get(name));
    assert.ok(host === undefined || JSON.stringify(host) === `"${host}"`);
    if (position === undefined) return;
    assert.match(position.fileKey, /^[0-9a-f]{32}$/);
    for (const bytes of [position.offset, position.unsent ?? 0]) assert.ok(Number.isSafeInteger(bytes) && bytes >= 0);
  } catch (error) {
    assert.ok(error instanceof UserError, `${error}`);
  }
}

function durations(random: Random): void {
  const text = mutatedText(
    random.pick(['1h30m', '0.5s', '90ms', '2w', '2026-11-22', new Date(NOW).toISOString()]),
    random,
  );
  const duration = parseDuration(text);
  assert.ok(duration === undefined || duration >= 0);
  const moment = parseMoment(text, NOW);
  assert.ok(moment === undefined || !Number.isNaN(moment));
  try {
    const parameters = new URLSearchParams({ since: text, until: text, limit: text });
    const { since, until, limit } = parseParameters(parameters, [flows]);
    for (const number of [since, until, limit]) assert.ok(number === undefined || Number.isFinite(number));
  } catch (error) {
    assert.ok(error instanceof UserError, `${error}`);
  }
}

/** Where to go on is written by the manager, and comes back from whoever asks. */
function cursors(random: Random): void {
  const place = 'tigera_secure_ee_flows.prod-eu.20261122';
  const cursor = { time: NOW, ingested: NOW + 1, place, cluster: 'prod-eu', number: 7 };
  const json = Buffer.from(formatCursor(cursor), 'base64url').toString();
  const text = random.chance(0.5)
    ? mutatedText(formatCursor(cursor), random)
    : Buffer.from(JSON.stringify(mutatedValue(JSON.parse(json), random))).toString('base64url');
  try {
    const read = parseCursor(text);
    assert.deepEqual(parseCursor(formatCursor(read)), read);
    for (const number of [read.time, read.ingested, read.number]) assert.ok(Number.isSafeInteger(number));
    assert.equal(typeof read.place, 'string');
  } catch (error) {
    assert.ok(error instanceof UserError, `${error}`);
  }
}

const FOUND = {
  took: 3,
  hits: {
    hits: [
      { _index: 'i', _id: 'a\\"', _ignored: ['x'], _source: { a: '"_id":"x"},{', b: [1, '\\'] }, sort: [1, 'i'] },
      { _index: 'i', _id: 'b', _source: { hits: { hits: [{ _id: 'c' }] } }, sort: [2, 'i'] },
    ],
  },
};

/** Documents as they are in the answer, and all else parsed; or all of it left to the parser. */
function searchAnswer(random: Random): void {
  const several = random.chance(0.3) ? { took: 1, responses: [FOUND, { error: { type: 'x' }, status: 404 }] } : FOUND;
  const text = mutatedAnswer(several, random);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Elasticsearch has parsed what it gives out.
    return;
  }
  const read = readSearchAnswer(text);
  if (read === undefined) assert.notEqual(text, JSON.stringify(several));
  else assert.deepEqual(withHits(read, parsedHit), withHits(parsed as SearchAnswer, wholeHit));
}

/** An answer with its hits, of all that it has, in another form. */
function withHits({ hits, responses, ...rest }: SearchAnswer, form: (hit: Partial<TextHit>) => object): object {
  return {
    ...rest,
    ...(hits === undefined ? {} : { hits: hits.hits === undefined ? hits : { ...hits, hits: hits.hits.map(form) } }),
    ...(responses === undefined ? {} : { responses: responses.map((response) => withHits(response, form)) }),
  };
}

function parsedHit({ _source = '', sort = '', ...rest }: Partial<TextHit>): object {
  return { ...rest, _source: JSON.parse(_source), sort: JSON.parse(sort) };
}

function wholeHit({ _index = '', _id = '', _source, sort }: Partial<TextHit>): object {
  return { _index, _id, _source: _source === undefined ? {} : _source, sort: sort === undefined ? [] : sort };
}

const PEM = `-----BEGIN CERTIFICATE-----
MIIBnjCCAUSgAwIBAgIQV/cNgVsDpnwjtjHBq/tYxzAKBggqhkjOPQQDAjAmMRAw
DgYDVQQDEwdwcm9kLWV1MRIwEAYDVQQLEwlmb3J3YXJkZXIwHhcNMjYxMTIyMDAw
MDAwWhcNMzYxMTIyMDAwMDAwWjAmMRAwDgYDVQQDEwdwcm9kLWV1MRIwEAYDVQQL
Ewlmb3J3YXJkZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASt5eRIOlaYf/bM
e4Q3v/idFnjLBNpFh/ORLLaqjmkFRjWX8Oi64wb6HShVpTihfCPL3q05dkbAxYqY
xnS7+ypQo1QwUjAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUE
DDAKBggrBgEFBQcDAjAdBgNVHQ4EFgQUlz7jp+F0Pk9/lyDCuHBI2CWHB2swCgYI
KoZIzj0EAwIDSAAwRQIgL+oGyAB/JTx07JwK9618CcKogffYOUvvA86IW0kLXsgC
IQCdPT5tZTPZAVavKL94YkKM6Tuay/6A0J5rl3H7aBoGtA==
-----END CERTIFICATE-----
`;

/** What stands in a ManagedCluster is anybody's who may write one. */
function certificates(random: Random): void {
  const text = mutatedText(PEM, random);
  try {
    for (const { fingerprint, commonName } of readCertificates(text)) {
      assert.match(fingerprint, /^[0-9a-f]{64}$/);
      assert.equal(typeof commonName, 'string');
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof Error);
  }
}

export const ANSWER_TARGETS: readonly FuzzTarget[] = [
  { name: 'Retry-After', rounds: 10_000, round: retryAfter },
  { name: "the manager's answer to an upload", rounds: 20_000, round: managerAnswer },
  { name: "Elasticsearch's answer to a bulk request", rounds: 20_000, round: bulkAnswer },
  { name: "Elasticsearch's answer to a search", rounds: 10_000, round: searchAnswer },
  { name: "an upload's headers", rounds: 5_000, round: uploadHeaders },
  { name: 'durations and moments', rounds: 10_000, round: durations },
  { name: 'where to go on', rounds: 10_000, round: cursors },
  { name: 'certificates', rounds: 1_000, round: certificates },
];
