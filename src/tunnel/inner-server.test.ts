import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { duplexPair } from 'node:stream';
import { it, type TestContext } from 'node:test';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { createKeyPair, daysFromNow } from '../clusters/key-pair.ts';
import { InnerServer } from './inner-server.ts';
import { YamuxSession } from './yamux/session.ts';

const keys = await createKeyPair({ commonName: 'prod', usages: ['client', 'server'], notAfter: daysFromNow(1) });

/** Connections to a server in a tunnel that closes them after half a second of silence; it answers with drops. */
function inTunnel(t: TestContext): (ALPNProtocols: string[]) => Promise<TLSSocket> {
  const [near, far] = duplexPair();
  const [client, server] = [new YamuxSession(near, { role: 'client' }), new YamuxSession(far, { role: 'server' })];
  const context = createSecureContext({ cert: keys.certificate, key: keys.key });
  const inner = new InnerServer({
    ...{ context, protocols: ['h2', 'http/1.1'], idle: 500 },
    listener: (_request, response) => {
      response.writeHead(200).flushHeaders();
      const dripping = setInterval(() => response.write('drop'), 100);
      response.once('close', () => clearInterval(dripping));
    },
  });
  server.on('stream', (stream) => inner.accept(stream));
  t.after(() => client.close());
  return async (ALPNProtocols) => {
    const socket = connect({ socket: client.open(), ALPNProtocols, rejectUnauthorized: false });
    await once(
      socket.on('error', () => undefined),
      'secureConnect',
    );
    return socket;
  };
}

/** From `began` until it is closed. */
async function lasts(socket: TLSSocket, began: number): Promise<number> {
  await new Promise((resolve) => socket.resume().once('close', resolve));
  return performance.now() - began;
}

for (const [protocol, alpn] of [
  ['HTTP/1.1', []],
  ['HTTP/2', ['h2']],
] as const) {
  it(`a connection with ${protocol} that is silent is closed`, async (t) => {
    const began = performance.now();
    const socket = await inTunnel(t)([...alpn]);
    if (protocol === 'HTTP/2') connectHttp2('https://inner', { createConnection: () => socket }).on('error', () => {});
    const lasted = await lasts(socket, began);
    assert.ok(lasted > 490 && lasted < 20_000, `${lasted} ms`);
  });
}

it('a connection on which something goes on lasts', async (t) => {
  const open = inTunnel(t);
  const [one, two] = [await open([]), await open(['h2'])];
  one.write('GET / HTTP/1.1\r\nhost: inner\r\n\r\n');
  const session = connectHttp2('https://inner', { createConnection: () => two });
  const stream = session.request({ ':path': '/' }).setEncoding('latin1');
  for (const each of [session, stream]) each.on('error', () => undefined);
  const heard = [0, 0];
  one.on('data', (data: Buffer) => (heard[0] = (heard[0] ?? 0) + data.length));
  stream.on('data', (data: string) => (heard[1] = (heard[1] ?? 0) + data.length));
  await new Promise((resolve) => setTimeout(resolve, 1_600));
  assert.deepEqual([one.closed, session.closed], [false, false]);
  assert.ok(
    heard.every((bytes) => bytes >= 40),
    String(heard),
  );
});
