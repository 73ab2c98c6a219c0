// A loop of search_after over a point in time and nothing more: writes what it finds into a file, a record a line.
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    pattern: { type: 'string', default: '' },
    since: { type: 'string', default: '' },
    until: { type: 'string', default: '' },
    file: { type: 'string', default: '' },
  },
});

/** As large as our own export's. */
const PAGE = 5_000;

interface Found {
  readonly pit_id: string;
  readonly hits: { readonly hits: readonly { readonly _source: object; readonly sort: readonly unknown[] }[] };
}

async function post<T>(path: string, body?: object): Promise<T> {
  // Not compressed, as fetch would have it: that costs both ends more than it saves on one machine.
  const headers = { 'content-type': 'application/json', 'accept-encoding': 'identity' };
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${values.url}${path}`, { method: 'POST', headers, ...text });
  if (!response.ok) throw new Error(`Elasticsearch answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

const out = createWriteStream(values.file);
let { id } = await post<{ readonly id: string }>(`/${values.pattern}/_pit?keep_alive=1m`);
let after: readonly unknown[] | undefined;
do {
  const { pit_id, hits }: Found = await post<Found>('/_search', {
    size: PAGE,
    pit: { id, keep_alive: '1m' },
    sort: [{ '@timestamp': 'asc' }],
    track_total_hits: false,
    query: { bool: { filter: [{ range: { '@timestamp': { gte: Number(values.since), lt: Number(values.until) } } }] } },
    ...(after === undefined ? {} : { search_after: after }),
  });
  id = pit_id;
  after = hits.hits.length < PAGE ? undefined : hits.hits.at(-1)?.sort;
  out.write(hits.hits.map(({ _source }) => `${JSON.stringify(_source)}\n`).join(''));
} while (after !== undefined);
out.end();
await finished(out);
