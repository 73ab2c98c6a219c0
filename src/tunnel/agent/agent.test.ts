// What an agent says and does on the wire, seen from a management side that is nothing but bytes.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls';
import { Agent as HttpAgent } from 'undici';
import { createKeyPair, daysFromNow, type KeyPair } from '../../clusters/key-pair.ts';
import { YamuxSession } from '../yamux/session.ts';
import type { YamuxStream } from '../yamux/stream.ts';
import { runAgent } from './agent.ts';

const notAfter = daysFromNow(1);
const ca = await createKeyPair({ commonName: 'root', dnsNames: ['voltron'], ca: true, usages: [], notAfter });
const serving = await createKeyPair({ commonName: 'leaf', dnsNames: ['voltron'], usages: ['server'], notAfter }, ca);
const own = await createKeyPair({ commonName: 'prod', usages: ['client', 'server'], notAfter });

interface Management {
  readonly agent: Agent;
  readonly port: number;
  /** Connections of the agent's, in the order they came. */
  readonly sockets: TLSSocket[];
  readonly offered: (string[] | undefined)[];
}

interface Agent {
  readonly port: number;
  /** What it has told, and when. */
  readonly told: string[];
  readonly toldAt: number[];
  readonly pauses: number[];
  readonly ended: Promise<void>;
  /** Has its credentials say another address from now on; '' for none that can be read. */
  move(address: string): void;
  stop(): void;
}

async function until(check: () => boolean): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`still not so: ${check}`);
    await sleep(10);
  }
}

async function startAgent(t: TestContext, address: string): Promise<Agent> {
  const told: string[] = [];
  const toldAt: number[] = [];
  const tell = (what: string) => {
    told.push(what);
    toldAt.push(performance.now());
  };
  const pauses: number[] = [];
  const stop = new AbortController();
  let port = 0;
  const events = {
    listening: (at: string) => {
      port = Number(at.split(':').at(-1));
    },
    connected: () => tell('connected'),
    disconnected: (reason: string, pause: number) => {
      tell(reason);
      pauses.push(pause);
    },
  };
  const api = {
    server: 'http://127.0.0.1:9',
    authenticate: async () => ({ headers: {}, dispatcher: new HttpAgent() }),
  };
  const credentials = { ca: ca.certificate, certificate: own.certificate, key: own.key };
  const listen = { host: '127.0.0.1', port: 0 };
  let known = address;
  const manager = () => {
    if (known === '') throw new Error('in the middle of being written');
    return { address: known, ...credentials, env: {} };
  };
  const ended = runAgent({ manager, tellsAddress: false, api, listen, events }, stop.signal);
  t.after(async () => {
    stop.abort();
    await ended;
  });
  await until(() => port > 0);
  const move = (to: string) => {
    known = to;
  };
  return { port, told, toldAt, pauses, ended, move, stop: () => stop.abort() };
}

async function start(t: TestContext, keys: KeyPair = serving): Promise<Management> {
  const sockets: TLSSocket[] = [];
  const offered: Management['offered'] = [];
  const options = { cert: keys.certificate, key: keys.key, requestCert: true, rejectUnauthorized: false };
  // As the manager: the client chooses.
  const server = createServer({
    ...options,
    honorCipherOrder: false,
    ALPNCallback: ({ protocols }) => {
      offered.push(protocols);
      return undefined;
    },
  });
  server.on('secureConnection', (socket) => sockets.push(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const agent = await startAgent(t, `127.0.0.1:${port}`);
  return { agent, port, sockets, offered };
}

/** The agent's first connection, as a session of ours. */
async function sessionOf({ sockets }: Management): Promise<YamuxSession> {
  await until(() => sockets[0] !== undefined);
  return new YamuxSession(sockets[0] as TLSSocket, { role: 'server' });
}

async function workload({ agent }: Management): Promise<Socket> {
  const socket = connect({ port: agent.port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket.on('error', () => undefined);
}

describe('an agent', { timeout: 60_000 }, () => {
  it("dials as Guardian does: the CA's name, no ALPN, its certificate; and pings 100 ms after each answer", async (t) => {
    const management = await start(t);
    await until(() => management.sockets[0] !== undefined);
    const socket = management.sockets[0] as TLSSocket;
    assert.equal((socket as TLSSocket & { servername: string }).servername, 'voltron');
    assert.deepEqual([management.offered, socket.alpnProtocol], [[], false]);
    assert.equal(socket.getCipher().name, 'TLS_AES_128_GCM_SHA256');
    assert.equal(socket.getPeerX509Certificate()?.toString().trim(), own.certificate.trim());
    const pauses: number[] = [];
    for (let at = 0, answered = 0; at < 5; at++) {
      const [ping] = (await once(socket, 'data')) as [Buffer];
      assert.match(ping.toString('hex'), /^0002000100000000.{8}$/);
      if (at > 0) pauses.push(performance.now() - answered);
      // None comes before it is answered.
      await sleep(at === 2 ? 400 : 0);
      assert.equal(socket.readableLength, 0);
      answered = performance.now();
      socket.write(Buffer.concat([Buffer.from('0002000200000000', 'hex'), ping.subarray(8)]));
    }
    const shortest = Math.min(...pauses);
    assert.ok(shortest > 90 && shortest < 300, String(pauses));
  });

  it('opens a stream for each connection as Guardian does, and passes bytes both ways until both have ended', async (t) => {
    const management = await start(t);
    const session = await sessionOf(management);
    const streams: YamuxStream[] = [];
    session.on('stream', (stream) => streams.push(stream));
    const one = await workload(management);
    const two = await workload(management);
    await until(() => streams.length === 2);
    assert.deepEqual(
      streams.map(({ id }) => id),
      [1, 3],
    );
    for (const stream of streams) stream.pipe(stream);
    const sent = randomBytes(3_000_000);
    // Half-closed at once: the answer comes all the same.
    one.end(sent);
    assert.deepEqual(Buffer.concat(await one.toArray()), sent);
    await until(() => streams[0]?.closed === true);
    // The other end first.
    two.write('hello');
    assert.equal(String((await once(two, 'data'))[0]), 'hello');
    streams[1]?.unpipe().end();
    await once(two, 'end');
    assert.equal(two.writable, true);
    two.end('bye');
    assert.equal(String((await once((streams[1] as YamuxStream).resume(), 'data'))[0]), 'bye');
    // A reset at either end is the other's end.
    const three = await workload(management);
    await until(() => streams.length === 3);
    streams[2]?.destroy();
    await once(three.resume(), 'end');
    const four = await workload(management);
    await until(() => streams.length === 4);
    four.resetAndDestroy();
    await until(() => streams[3]?.destroyed === true);
    assert.equal(session.closed, false);
  });

  it('opens with a window update, and answers in what is opened to it with its own certificate', async (t) => {
    const management = await start(t);
    await until(() => management.sockets[0] !== undefined);
    const socket = management.sockets[0] as TLSSocket;
    await workload(management);
    let heard = '';
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString('hex');
    });
    await until(() => heard.includes('000100010000000100000000'));
    socket.removeAllListeners('data');
    const session = new YamuxSession(socket, { role: 'server' });
    const inner = connectTls({ socket: session.open(), ALPNProtocols: ['h2'], rejectUnauthorized: false });
    await once(
      inner.on('error', () => undefined),
      'secureConnect',
    );
    assert.equal(inner.alpnProtocol, 'h2');
    assert.equal(inner.getPeerX509Certificate()?.toString().trim(), own.certificate.trim());
  });

  it('refuses connections at once while it is not connected', async (t) => {
    const agent = await startAgent(t, '127.0.0.1:9');
    await until(() => agent.told.length > 0);
    const began = performance.now();
    const socket = connect({ port: agent.port, host: '127.0.0.1' });
    await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    assert.ok(performance.now() - began < 3_000);
    assert.match(agent.told[0] ?? '', /ECONNREFUSED/);
  });

  it('does not speak to a server that another has signed', async (t) => {
    const other = await createKeyPair({ commonName: 'leaf', dnsNames: ['voltron'], usages: ['server'], notAfter });
    const { agent } = await start(t, other);
    await until(() => agent.told.length > 0);
    assert.match(agent.told[0] ?? '', /self-signed certificate/);
    assert.ok(!agent.told.includes('connected'));
  });

  it('dials anew when it is told to, when the rules are broken and when the connection is closed', async (t) => {
    const { agent, sockets } = await start(t);
    const ways: readonly (readonly [string, RegExp])[] = [
      ['000300000000000000000000', /the management side asked to dial anew/],
      ['01', /yamux version 1 is not known/],
      ['', /closed the connection|connection was closed/],
    ];
    for (const [at, [bytes, reason]] of ways.entries()) {
      await until(() => sockets[at] !== undefined);
      if (bytes === '') sockets[at]?.destroy();
      else sockets[at]?.resume().write(Buffer.from(bytes.padEnd(24, '0'), 'hex'));
      await until(() => agent.told.length >= 2 * (at + 1));
      assert.match(agent.told.at(2 * at + 1) ?? '', reason);
    }
    await until(() => sockets.length === 4);
    assert.ok(agent.pauses.every((pause) => pause >= 0 && pause <= 4_000));
  });

  it('dials anew where the address in its credentials changes, and not while these cannot be read', async (t) => {
    const [before, after] = [await start(t), await start(t)];
    after.agent.stop();
    const there = after.sockets.length;
    await until(() => before.sockets.length === 1);
    const { sockets, agent } = before;
    agent.move('');
    await sleep(3_500);
    assert.equal(sockets[0]?.destroyed, false);
    const address = `127.0.0.1:${after.port}`;
    agent.move(address);
    await until(() => after.sockets.length > there);
    assert.ok(agent.told.includes(`the manager is at ${address} from now on`), agent.told.join());
  });

  it('gives up a management side that is silent for ten seconds, and ends at once when it is stopped', async (t) => {
    const { agent, sockets } = await start(t);
    await until(() => agent.told.includes('connected'));
    sockets[0]?.resume();
    await until(() => agent.told.length > 1);
    const [connected = 0, gaveUp = 0] = agent.toldAt;
    const lasted = gaveUp - connected;
    assert.match(agent.told[1] ?? '', /a ping was not answered within 10 s/);
    assert.ok(lasted > 9_500 && lasted < 15_000, `${lasted} ms`);
    const stopped = performance.now();
    agent.stop();
    await agent.ended;
    // Not after its pause, nor the time it has to dial.
    assert.ok(performance.now() - stopped < 1_000);
  });
});
