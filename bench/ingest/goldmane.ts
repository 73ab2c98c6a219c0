// Sends flows to the manager as a Goldmane does through its Guardian: a window in a request, one after the other, all on
// one connection in a stream of the tunnel.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { parseArgs } from 'node:util';
import { readTunnelCredentials } from '../../src/clusters/tunnel-credentials.ts';
import { dial } from '../../src/tunnel/agent/dial.ts';
import { YamuxSession } from '../../src/tunnel/yamux/session.ts';
import { eachRound } from './rounds.ts';

const SERVER_NAME = 'tigera-linseed.tigera-elasticsearch.svc';
const HEAD =
  'POST /api/v1/flows/bulk HTTP/1.1\r\nHost: guardian.calico-system.svc.cluster.local\r\nContent-Type: application/x-ndjson\r\n';

const { values } = parseArgs({
  options: {
    credentials: { type: 'string', default: '' },
    address: { type: 'string', default: '' },
    file: { type: 'string', default: '' },
    window: { type: 'string', default: '' },
  },
});
const { ca, certificate, key } = readTunnelCredentials(values.credentials);
const lines = readFileSync(values.file, 'utf8').trimEnd().split('\n');
const size = Number(values.window);
const windows = Array.from({ length: Math.ceil(lines.length / size) }, (_, at) =>
  Buffer.from(lines.slice(at * size, (at + 1) * size).join('\n')),
);

const session = new YamuxSession(
  await dial({ address: values.address, ca, certificate, key, env: {} }, AbortSignal.timeout(10_000)),
  {
    role: 'client',
  },
);
session.once('close', (reason) => {
  throw reason;
});
// As Guardian: it has no tunnel before it has said something, and none any more after ten seconds of silence.
setInterval(() => session.ping().catch(() => undefined), 2_000).unref();
await session.ping();
const socket = connect({ socket: session.open(), ca, servername: SERVER_NAME });
await once(socket, 'secureConnect');

async function post(window: Buffer): Promise<void> {
  socket.write(`${HEAD}Content-Length: ${window.length}\r\n\r\n`);
  socket.write(window);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (!answer.toString().startsWith('HTTP/1.1 200 OK\r\n')) throw new Error(`the manager answered ${answer}`);
}

await eachRound(async () => {
  for (const window of windows) await post(window);
});
process.exit();
