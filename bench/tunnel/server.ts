// Our side: takes tunnels as the manager does, and does what the Go server does in the same mode.
import { readFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { parseArgs } from 'node:util';
import { PingWheel } from '../../src/tunnel/ping-wheel.ts';
import { YamuxSession } from '../../src/tunnel/yamux/session.ts';
import type { YamuxStream } from '../../src/tunnel/yamux/stream.ts';

const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: '' },
    cert: { type: 'string', default: '' },
    streams: { type: 'string', default: '16' },
    bytes: { type: 'string', default: '0' },
  },
});
const streams = Number(values.streams);
const bytes = Number(values.bytes);
const pem = readFileSync(values.cert, 'utf8');
const wheel = new PingWheel();
const PIECE = Buffer.alloc(64 * 1024);

/** The server inside the tunnel; it listens nowhere. */
const inner = createHttpsServer({ cert: pem, key: pem }, (request, response) => {
  request.resume().once('end', () => response.writeHead(200, { 'content-length': 0 }).end());
});

function take(stream: YamuxStream): void {
  stream.resume().once('end', () => stream.end());
}

function answer(stream: YamuxStream): void {
  stream.once('data', (one: Buffer) => stream.end(one));
}

function send(stream: YamuxStream, size: number): void {
  let left = size;
  const write = () => {
    while (left > 0) {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
      left -= piece.length;
      if (!stream.write(piece)) return;
    }
    stream.off('drain', write);
    stream.end();
  };
  stream.on('drain', write).resume();
  write();
}

const HANDLERS: Readonly<Record<string, (stream: YamuxStream) => void>> = {
  push: take,
  streams: answer,
  inner: (stream) => inner.emit('connection', stream),
};

const server = createServer(
  // As the manager's port: the client's first cipher.
  { honorCipherOrder: false, cert: pem, key: pem, requestCert: true, rejectUnauthorized: false, noDelay: true },
  (socket) => {
    const session = new YamuxSession(socket, { role: 'server', answerPing: wheel.responder() });
    session.on('stream', HANDLERS[values.mode] ?? take);
    if (values.mode !== 'fetch') return;
    for (let opened = 0; opened < streams; opened++) send(session.open(), bytes / streams);
  },
);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
