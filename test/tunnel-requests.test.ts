// What the manager asks of a cluster through its tunnel, and what the cluster may do instead of answering.
import assert from 'node:assert/strict';
import { createServer, type Http2Server, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import { describe, it, type TestContext } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { KeyPair } from '../src/clusters/key-pair.ts';
import { readClusterFacts } from '../src/manager/cluster-facts.ts';
import { ClusterClient } from '../src/tunnel/cluster-client.ts';
import type { YamuxStream } from '../src/tunnel/yamux/stream.ts';
import { eventually, sharedWorkbench } from './harness.ts';
import { type ClusterEnd, clusterKeys, TunnelPort } from './tunnel-port.ts';

const { elasticsearchUrl } = sharedWorkbench().facts;
const never = new AbortController().signal;

interface Answering {
  readonly keys?: KeyPair;
  readonly protocols?: string[];
  /** Answers a request; without it, none is answered. */
  readonly answer?: (stream: ServerHttp2Stream, path: string) => void;
}

/** What a cluster was asked. */
interface Asked {
  readonly paths: string[];
  readonly sessions: Http2Session[];
  readonly streams: YamuxStream[];
}

/** Answers in the cluster's end, as Guardian does: a TLS server in each stream that is opened. */
function answerIn(end: ClusterEnd, own: KeyPair, { keys = own, protocols = ['h2'], answer }: Answering): Asked {
  const asked: Asked = { paths: [], sessions: [], streams: [] };
  const secureContext = createSecureContext({ cert: keys.certificate, key: keys.key });
  const http: Http2Server = createServer();
  http.on('sessionError', () => undefined);
  http.on('session', (session) => asked.sessions.push(session));
  http.on('stream', (stream, { ':path': path = '' }) => {
    asked.paths.push(path);
    stream.on('error', () => undefined);
    answer?.(stream, path);
  });
  end.session.on('stream', (stream) => {
    asked.streams.push(stream);
    const socket = new TLSSocket(stream, { isServer: true, secureContext, ALPNProtocols: protocols });
    socket.on('error', () => undefined);
    socket.once('secure', () => {
      Object.assign(socket, { secureConnecting: false });
      http.emit('connection', socket);
    });
  });
  return asked;
}

/** A connected cluster; the manager's own questions (its facts) are answered 404 and not counted. */
async function connected(t: TestContext, answering: Answering) {
  const port = await TunnelPort.start(t, { elasticsearchUrl });
  const keys = await clusterKeys('prod');
  port.register('prod', keys);
  const end = await port.open(keys);
  const asked = answerIn(end, keys, answering);
  await eventually(async () => port.tunnels.get('prod') !== undefined);
  const tunnel = port.tunnels.get('prod');
  assert.ok(tunnel);
  return { client: new ClusterClient(tunnel), asked, end, tunnel };
}

function ok(stream: ServerHttp2Stream, path: string): void {
  stream.respond({ ':status': 200 });
  stream.end(`answer to ${path}`);
}

function own(asked: Asked): string[] {
  return asked.paths.filter((path) => path.startsWith('/own'));
}

describe('a request to a cluster', { concurrency: true }, () => {
  it('is one of many in one connection, which is made anew when it has died', async (t) => {
    const { client, asked, tunnel } = await connected(t, { answer: ok });
    const all = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, at) => client.get(`/own/${at}`, never)));
    const answers = await all(150);
    assert.deepEqual(
      answers.map(({ code, body }) => `${code} ${body}`),
      answers.map((_, at) => `200 answer to /own/${at}`),
    );
    // One for the facts that the manager asks for, one for these.
    assert.equal(asked.streams.length, 2);
    // Whichever way it dies.
    const ways: readonly (() => void)[] = [
      () => asked.sessions.at(-1)?.destroy(),
      () => asked.sessions.at(-1)?.goaway(),
      () => asked.streams.at(-1)?.end(),
      () => asked.streams.at(-1)?.destroy(),
    ];
    for (const [at, die] of ways.entries()) {
      die();
      // The answers come behind it: then it is known at the manager's end as well.
      for (let round = 0; round < 3; round++) await tunnel.session.ping();
      await all(50);
      assert.equal(asked.streams.length, 3 + at, 'however many find out at once that there is none');
    }
  });

  it('is not sent to who has another certificate than the tunnel', async (t) => {
    const { client, asked } = await connected(t, { keys: await clusterKeys('prod'), answer: ok });
    await assert.rejects(client.get('/own', never), /has another certificate than the tunnel's own/);
    assert.deepEqual(asked.paths, []);
  });

  it('is not sent to who does not speak HTTP/2', async (t) => {
    const { client, asked } = await connected(t, { protocols: [], answer: ok });
    await assert.rejects(client.get('/own', never), /does not speak HTTP\/2/);
    assert.deepEqual(asked.paths, []);
  });

  it('fails when nobody answers the stream, the handshake or the request, and when it is given up', async (t) => {
    const silent = await connected(t, { answer: () => undefined });
    const giveUp = new AbortController();
    const given = silent.client.get('/own/given-up', giveUp.signal);
    const waited = silent.client.get('/own/waited', never);
    await eventually(async () => own(silent.asked).length === 2);
    giveUp.abort();
    await assert.rejects(given, /abort/i);
    const deaf = await connected(t, {});
    deaf.end.session.removeAllListeners('stream').on('stream', (stream) => stream.resume());
    const began = performance.now();
    const unheard = deaf.client.get('/own', never);
    await assert.rejects(unheard, /the cluster does not answer|closed the connection/);
    assert.ok(performance.now() - began < 19_000);
    await assert.rejects(waited, /the cluster does not answer/);
    assert.ok(performance.now() - began < 60_000);
  });

  it('fails when the answer is too long, breaks off or is none, and the next one is served', async (t) => {
    const { client } = await connected(t, {
      answer: (stream, path) => {
        if (path === '/own/none') stream.close(2);
        else if (path !== '/own/long') ok(stream, path);
        else {
          stream.respond({ ':status': 200 });
          stream.write(Buffer.alloc(5 * 1024 * 1024));
        }
      },
    });
    await assert.rejects(client.get('/own/long', never), /longer than 4194304 bytes/);
    await assert.rejects(client.get('/own/none', never), /INTERNAL_ERROR/);
    assert.equal((await client.get('/own', never)).code, 200);
  });

  it('fails at once when the tunnel is closed', async (t) => {
    const { client, asked, end } = await connected(t, {});
    const waiting = client.get('/own', never);
    await eventually(async () => own(asked).length === 1);
    end.session.close();
    await assert.rejects(waiting, Error);
    await assert.rejects(client.get('/own', never), /closed the connection|connection was closed|reset the connection/);
  });
});

describe('the facts of a cluster', () => {
  async function factsFrom(t: TestContext, information: unknown, namespaces: unknown) {
    const { client } = await connected(t, {
      answer: (stream, path) => {
        const body = path.startsWith('/api/v1/namespaces') ? namespaces : information;
        stream.respond({ ':status': body === undefined ? 403 : 200 });
        stream.end(typeof body === 'string' ? body : JSON.stringify(body));
      },
    });
    return await readClusterFacts(client, never);
  }

  it('are what it says and lets us read', async (t) => {
    const version = { spec: { calicoVersion: 'v3.32.1' } };
    const facts = await factsFrom(t, version, { items: [{}], metadata: { remainingItemCount: 6 } });
    assert.deepEqual(facts, { calicoVersion: 'v3.32.1', namespaces: 7 });
    assert.deepEqual(await factsFrom(t, undefined, { items: [] }), { namespaces: 0 });
  });

  it('are nothing but a version and a number', async (t) => {
    for (const [information, namespaces] of [
      ['{"spec":', '<html>'],
      [null, null],
      [[], { items: 7 }],
      [{ spec: { calicoVersion: '<b>1</b>' } }, { items: [], metadata: { remainingItemCount: -5 } }],
      [{ spec: { calicoVersion: 'v'.repeat(65) } }, { items: [], metadata: { remainingItemCount: '9' } }],
      [{ spec: null }, { items: [], metadata: null }],
    ]) {
      const { calicoVersion, namespaces: count = 0 } = await factsFrom(t, information, namespaces);
      assert.deepEqual([calicoVersion, count], [undefined, 0], JSON.stringify([information, namespaces]));
    }
  });
});
