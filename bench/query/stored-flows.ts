import { generateFlows } from '../../fixtures/generate-flows.ts';
import { RecordReader } from '../../src/logs/record/record.ts';
import { dayOf } from '../../src/logs/record/time.ts';
import { ElasticsearchStore } from '../../src/logs/store/elasticsearch/elasticsearch-store.ts';
import { CurrentSettings } from '../../src/logs/store/store-settings.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { NOT_CONFIGURED } from '../forwarder/lines.ts';

/** The cluster and the node that the records are of. */
export const CLUSTER = 'asked';
const HOST = 'node-1';

/** Its indices. */
export const PATTERN = `tigera_secure_ee_flows.${CLUSTER}.*`;

/** Days that the records are spread over, evenly; each is an index. */
export const DAYS = 5;
const DAY = 86_400_000;

/** Records of one request, and requests at once: more make a node on a small machine no faster. */
const BULK = 5_000;
const STREAMS = 2;

/** Different records, which come again and again at other times. */
const DIFFERENT = 20_000;

/** Puts records of the last days straight into Elasticsearch, into indices that our own templates have made. */
export async function storeFlows(
  url: string,
  records: number,
  now: number,
  tell: (text: string) => void,
): Promise<void> {
  const from = now - DAYS * DAY;
  const timeOf = (number: number) => Math.floor((from + (DAYS * DAY * number) / records) / 1000);
  await makeIndices(url, from, now);
  await request(url, 'PUT', `/${PATTERN}/_settings`, '{"index":{"refresh_interval":"-1"}}');
  const tails = [...generateFlows({ seed: 1, count: DIFFERENT, from, to: now })].map(tailOf);
  const started = performance.now();
  let next = 0;
  const stream = async () => {
    for (let first = next; first < records; first = next) {
      next = Math.min(first + BULK, records);
      await Promise.all(bulks(first, next, timeOf, tails).map(([index, body]) => bulk(url, index, body)));
      if (first % 500_000 < BULK) tell(`${first} of ${records} records stored`);
    }
  };
  await Promise.all(Array.from({ length: STREAMS }, stream));
  await request(url, 'PUT', `/${PATTERN}/_settings`, '{"index":{"refresh_interval":null}}');
  await request(url, 'POST', `/${PATTERN}/_flush`);
  await request(url, 'POST', `/${PATTERN}/_refresh`);
  tell(`${records} records stored in ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

/** By one record of each day, written as the manager writes it. */
async function makeIndices(url: string, from: number, now: number): Promise<void> {
  const store = new ElasticsearchStore({ url }, new CurrentSettings());
  const source = { cluster: CLUSTER, host: HOST, position: undefined };
  const reader = new RecordReader(flows, source);
  for (let time = from; time <= now + DAY; time += DAY) {
    const bytes = Buffer.from(JSON.stringify({ end_time: Math.min(time, now) / 1000 }));
    const read = reader.read({ offset: 0, bytes, length: bytes.length });
    if (read.kind !== 'record') throw new Error('no record');
    await store.write({ type: flows, source, records: [read.record] }, AbortSignal.timeout(60_000));
  }
  await store.close();
}

/** A record without its times, which are its first two members. */
function tailOf(line: string): string {
  const tail = /^\{"start_time":\d+,"end_time":\d+,(.*)\}$/.exec(line.replace(NOT_CONFIGURED, ''))?.[1];
  if (tail === undefined) throw new Error(`another kind of line: ${line}`);
  return `${tail},"cluster":"${CLUSTER}","host":"${HOST}"`;
}

/** Bodies of `_bulk` for records by their numbers, for each index. */
function bulks(
  first: number,
  end: number,
  timeOf: (number: number) => number,
  tails: readonly string[],
): readonly (readonly [index: string, body: string])[] {
  const bodies = new Map<string, string>();
  for (let number = first; number < end; number++) {
    const time = timeOf(number);
    const index = PATTERN.replace('*', dayOf(time * 1000));
    const times = `"start_time":${time - 300},"end_time":${time}`;
    const added = `"@timestamp":${time * 1000},"ingested":${time * 1000 + 500}`;
    const line = `{"create":{}}\n{${times},${tails[number % tails.length]},${added}}\n`;
    bodies.set(index, (bodies.get(index) ?? '') + line);
  }
  return [...bodies];
}

async function bulk(url: string, index: string, body: string): Promise<void> {
  const answer = await request(url, 'POST', `/${index}/_bulk?filter_path=errors`, body);
  if (answer !== '{"errors":false}') throw new Error(`Elasticsearch answered ${answer.slice(0, 500)}`);
}

async function request(url: string, method: string, path: string, body?: string): Promise<string> {
  const headers = { 'content-type': path.includes('_bulk') ? 'application/x-ndjson' : 'application/json' };
  const response = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  if (!response.ok) throw new Error(`Elasticsearch answered ${response.status}: ${text.slice(0, 500)}`);
  return text;
}
