// Sends a log file to the manager in the uploads that `kubectl mcm forward` makes of it, which are compressed before.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { readForwarderCredentials } from '../../src/clusters/forwarder-credentials.ts';
import { fileKey, SOURCE_HEADERS } from '../../src/logs/record/source.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { HOST } from './material.ts';
import { eachOf, eachRound } from './rounds.ts';

/** As `forward` does by default. */
const UPLOAD_BYTES = 2 * 1024 * 1024;
const AT_ONCE = 3;

interface Upload {
  readonly offset: number;
  readonly body: Buffer;
}

const { values } = parseArgs({
  options: {
    credentials: { type: 'string', default: '' },
    address: { type: 'string', default: '' },
    file: { type: 'string', default: '' },
  },
});
const credentials = readForwarderCredentials(values.credentials);
const [hostname, port] = values.address.split(':');
const agent = new Agent({
  ...{ keepAlive: true, maxSockets: AT_ONCE },
  ...{ ca: credentials.ca, cert: credentials.certificate, key: credentials.key, servername: credentials.serverName },
});
const bytes = readFileSync(values.file);
const key = fileKey(bytes.subarray(0, bytes.indexOf('\n')));
const uploads = [...uploadsOf(bytes)];

function* uploadsOf(file: Buffer): Generator<Upload, void, void> {
  for (let offset = 0; offset < file.length; ) {
    const end = file.lastIndexOf('\n', offset + UPLOAD_BYTES - 1) + 1;
    yield { offset, body: gzipSync(file.subarray(offset, end), { level: 1 }) };
    offset = end;
  }
}

async function upload({ offset, body }: Upload): Promise<void> {
  const headers = {
    'content-type': 'application/x-ndjson',
    'content-encoding': 'gzip',
    'content-length': body.length,
    [SOURCE_HEADERS.host]: HOST,
    [SOURCE_HEADERS.fileKey]: key,
    [SOURCE_HEADERS.offset]: offset,
  };
  const [path = ''] = flows.ingestPaths;
  await new Promise<void>((resolve, reject) => {
    const sent = request({ agent, hostname, port, method: 'POST', path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.once('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`the manager answered ${response.statusCode}: ${text}`));
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

await eachRound(() => eachOf(uploads, AT_ONCE, upload));
agent.destroy();
