// Streams carry what sockets carry.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, createSecureServer } from 'node:http2';
import { before, describe, it, type TestContext } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { RawPeer } from '../../../testbed/yamux-peer/raw-peer.ts';
import { createKeyPair, daysFromNow, type KeyPair } from '../../clusters/key-pair.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';

let pair: KeyPair;
before(async () => {
  pair = await createKeyPair({
    commonName: 'inner',
    dnsNames: ['inner.example'],
    usages: ['server'],
    notAfter: daysFromNow(1),
  });
});

/** A TLS server, HTTP/2 and 1.1, at one end of a session; `dial` reaches it from the other. */
async function connect(t: TestContext, listening: 'client' | 'server') {
  const peer = await RawPeer.start();
  const near = new YamuxSession(peer.socket, { role: listening === 'server' ? 'client' : 'server' });
  const far = new YamuxSession(peer.own, { role: listening });
  const server = createSecureServer(
    { cert: pair.certificate, key: pair.key, allowHTTP1: true },
    (request, response) => {
      let size = 0;
      request.on('data', (part: Buffer) => {
        size += part.length;
      });
      request.once('end', () => response.end(`${request.httpVersion} ${size}`));
    },
  );
  const failures: Error[] = [];
  server.on('sessionError', (error) => failures.push(error));
  far.on('stream', (stream) => server.emit('connection', stream));
  t.after(() => {
    near.close();
    far.close();
  });
  async function dial(): Promise<{ stream: YamuxStream; socket: TLSSocket }> {
    const stream = near.open();
    const socket = connectTls({
      socket: stream,
      servername: 'inner.example',
      ca: pair.certificate,
      ALPNProtocols: ['h2'],
    });
    socket.on('error', (error) => failures.push(error));
    await once(socket, 'secureConnect');
    return { stream, socket };
  }
  return { near, far, dial, failures };
}

for (const listening of ['server', 'client'] as const) {
  describe(`TLS in a stream, served by the ${listening}`, () => {
    it('carries HTTP/2', async (t) => {
      const { dial, near, far } = await connect(t, listening);
      const { socket } = await dial();
      assert.deepEqual([socket.authorized, socket.alpnProtocol], [true, 'h2']);
      const client = connectHttp2('https://inner.example', { createConnection: () => socket });
      const body = Buffer.alloc(300_000);
      const answers = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const request = client.request({ ':method': 'POST', ':path': '/' });
          request.setEncoding('utf8').end(body);
          return (await request.toArray()).join('');
        }),
      );
      assert.deepEqual(new Set(answers), new Set(['2.0 300000']));
      client.close();
      await once(client, 'close');
      while (near.streamCount + far.streamCount > 0) await new Promise(setImmediate);
    });

    it('ends with the session, in the middle of whatever it does', async (t) => {
      const { dial, near, failures } = await connect(t, listening);
      const { socket, stream } = await dial();
      const client = connectHttp2('https://inner.example', { createConnection: () => socket });
      client.on('error', (error) => failures.push(error));
      const request = client.request({ ':method': 'POST', ':path': '/' });
      request.write(Buffer.alloc(10_000_000));
      const failed = once(request, 'error');
      setTimeout(() => near.close(new Error('cut off')), 5);
      await failed;
      assert.equal(stream.destroyed, true);
      assert.equal(stream.errored?.message, 'cut off');
      assert.notEqual(failures.length, 0);
    });
  });
}
