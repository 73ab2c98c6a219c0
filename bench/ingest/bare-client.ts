// A client of `_bulk` and nothing more: reads documents that are ready, gives each its action line, posts them, and looks
// at what became of each.
import { createReadStream } from 'node:fs';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { eachOf, eachRound } from './rounds.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    index: { type: 'string', default: '' },
    file: { type: 'string', default: '' },
    'at-once': { type: 'string', default: '' },
    'bulk-bytes': { type: 'string', default: '' },
  },
});
const agent = new Agent({ keepAlive: true });
/** Asked for by ours as well: an answer with all there is takes either of them several times as long to read. */
const filter = 'errors,items.*.status,items.*.error.type';

/** Whole lines of the file, of about so many bytes together. */
async function* pieces(): AsyncGenerator<string, void, void> {
  let rest = '';
  const stream = createReadStream(values.file, { encoding: 'latin1', highWaterMark: Number(values['bulk-bytes']) });
  for await (const chunk of stream as AsyncIterable<string>) {
    const end = chunk.lastIndexOf('\n') + 1;
    yield rest + chunk.slice(0, end);
    rest = chunk.slice(end);
  }
}

async function bulk(lines: string): Promise<void> {
  let body = '';
  let count = 0;
  for (const line of lines.split('\n')) {
    if (line === '') continue;
    const space = line.indexOf(' ');
    body += `{"create":{"_index":"${values.index}","_id":"${line.slice(0, space)}"}}\n${line.slice(space + 1)}\n`;
    count++;
  }
  const answer = await post(Buffer.from(body, 'latin1'));
  const { items } = JSON.parse(answer) as {
    readonly items: readonly { readonly create: { readonly status: number } }[];
  };
  const created = items.filter(({ create }) => create.status === 201).length;
  if (created < count) throw new Error(`${created} of ${count} documents were created: ${answer.slice(0, 500)}`);
}

async function post(body: Buffer): Promise<string> {
  const headers = { 'content-type': 'application/x-ndjson', 'content-length': body.length };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const sent = request(`${values.url}/_bulk?filter_path=${filter}`, { agent, method: 'POST', headers }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    response.once('end', () => {
      if (response.statusCode === 200) resolve(text);
      else reject(new Error(`Elasticsearch answered ${response.statusCode}: ${text.slice(0, 500)}`));
    });
  });
  sent.once('error', reject);
  sent.end(body);
  return await promise;
}

await eachRound(() => eachOf(pieces(), Number(values['at-once']), bulk));
agent.destroy();
