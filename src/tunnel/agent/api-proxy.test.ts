import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, type OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { duplexPair } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { Agent } from 'undici';
import { createKeyPair, daysFromNow } from '../../clusters/key-pair.ts';
import { InnerServer } from '../inner-server.ts';
import { YamuxSession } from '../yamux/session.ts';
import { apiProxy, DIALLED_HEADER } from './api-proxy.ts';

const keys = await createKeyPair({ commonName: 'prod', usages: ['client', 'server'], notAfter: daysFromNow(1) });

interface Answer {
  readonly code: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** What an API server got. */
interface Got {
  readonly request: IncomingMessage;
  readonly body: string;
}

interface Proxied {
  readonly got: Got[];
  readonly http2: ClientHttp2Session;
  ask(path: string, headers?: OutgoingHttpHeaders, body?: string): Promise<Answer>;
  /** A connection for HTTP/1.1. */
  open(ALPNProtocols?: string[]): Promise<TLSSocket>;
}

/** An agent's end of a tunnel with an API server behind it, asked as by the management side. */
async function start(
  t: TestContext,
  answer: RequestListener,
  own: Record<string, string> = {},
  dialled?: string,
): Promise<Proxied> {
  const got: Got[] = [];
  const api = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.once('end', () => {
      got.push({ request, body });
      answer(request, response);
    });
  });
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  const server = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const [near, far] = duplexPair();
  const [cluster, management] = [new YamuxSession(near, { role: 'client' }), new YamuxSession(far, { role: 'server' })];
  const authenticate = async () => ({ headers: own, dispatcher: new Agent() });
  const context = createSecureContext({ cert: keys.certificate, key: keys.key });
  const inner = new InnerServer({
    context,
    protocols: ['h2', 'http/1.1'],
    listener: apiProxy({ server, authenticate }, dialled),
  });
  cluster.on('stream', (stream) => inner.accept(stream));
  t.after(() => {
    management.close();
    api.close().closeAllConnections();
  });
  const open = async (ALPNProtocols: string[] = []) => {
    const socket = connect({ socket: management.open(), ALPNProtocols, rejectUnauthorized: false });
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
    return socket;
  };
  const socket = await open(['h2']);
  const http2 = connectHttp2('https://cluster.invalid', { createConnection: () => socket });
  http2.on('error', () => undefined);
  const ask = async (path: string, headers: OutgoingHttpHeaders = {}, body = ''): Promise<Answer> => {
    const stream = http2.request({ ':path': path, ...headers }, { endStream: body === '' });
    if (body !== '') stream.end(body);
    const [answered] = (await once(stream, 'response')) as [Record<string, unknown>];
    return {
      code: answered[':status'],
      headers: answered,
      body: (await stream.setEncoding('utf8').toArray()).join(''),
    };
  };
  return { got, http2, ask, open };
}

const ok: RequestListener = (_request, response) => response.end('ok');

function valuesOf({ request }: Got, name: string): string[] {
  return request.rawHeaders.filter((_, at, all) => at % 2 === 1 && all[at - 1]?.toLowerCase() === name);
}

describe('what the management side asks of a cluster', () => {
  it('is passed to the API server below /api/ and /apis/, and nowhere else', async (t) => {
    const { ask, got } = await start(t, ok);
    for (const [path, location] of [
      ['/api', '/api/'],
      ['/apis', '/apis/'],
    ] as const) {
      const { code, headers, body } = await ask(path);
      assert.deepEqual([code, headers.location, body], [307, location, '']);
    }
    for (const path of ['/', '/version', '/healthz', '/apix/v1', '/API/v1', '/openapi/v3', '//api/v1']) {
      assert.equal((await ask(path)).code, 404, path);
    }
    assert.equal(got.length, 0);
    assert.equal((await ask('/api/v1/namespaces')).code, 200);
    assert.equal((await ask('/apis/projectcalico.org/v3/tiers')).code, 200);
  });

  it("is passed as it is, but for whose rights it has: those are the agent's", async (t) => {
    const { ask, got } = await start(t, ok, { authorization: 'Bearer own', 'impersonate-user': 'own' });
    const path = '/api/v1/namespaces/a%2Fb/pods?labelSelector=a%3Db,c&watch=&access_token=x';
    const headers = {
      authorization: 'Bearer stolen',
      'impersonate-user': 'jane',
      'impersonate-group': ['devs, and more', 'system:authenticated'],
      'user-agent': 'kubectl',
      ':authority': 'cluster.invalid',
      te: 'trailers',
    };
    await ask(path, headers);
    const [first] = got;
    assert.ok(first);
    assert.equal(first.request.url, path);
    assert.deepEqual(valuesOf(first, 'authorization'), ['Bearer own']);
    assert.deepEqual(valuesOf(first, 'impersonate-user'), ['jane']);
    assert.deepEqual(valuesOf(first, 'impersonate-group'), ['devs, and more', 'system:authenticated']);
    assert.deepEqual(valuesOf(first, 'user-agent'), ['kubectl']);
    assert.deepEqual(valuesOf(first, 'te'), []);
    assert.match(valuesOf(first, 'host').join(), /^127\.0\.0\.1:\d+$/);
  });

  it('has no rights where the agent has none to give, say for its client certificate', async (t) => {
    const { ask, got } = await start(t, ok);
    await ask('/api/', { authorization: 'Bearer stolen' });
    assert.deepEqual(
      got.map((each) => valuesOf(each, 'authorization')),
      [[]],
    );
  });

  it('may have a body, with any verb', async (t) => {
    const { ask, got } = await start(t, ok);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      await ask('/api/v1/namespaces', { ':method': method, 'content-type': 'application/json' }, '{"a":1}');
    }
    await ask('/api/v1/namespaces/x', { ':method': 'DELETE' });
    assert.deepEqual(
      got.map(({ request, body }) => `${request.method} ${body}`),
      ['POST {"a":1}', 'PUT {"a":1}', 'PATCH {"a":1}', 'DELETE {"a":1}', 'DELETE '],
    );
  });
});

describe('what the API server answers', () => {
  it('comes as it is, but for what is about its connection', async (t) => {
    const { ask } = await start(t, (_request, response) => {
      const about = { connection: 'x-hop, keep-alive', 'x-hop': '1', 'keep-alive': 'timeout=5' };
      response.writeHead(409, { ...about, 'x-kept': ['a', 'b'], 'content-type': 'application/json' }).end('{}');
    });
    const { code, headers, body } = await ask('/api/v1/namespaces');
    assert.deepEqual([code, headers['x-kept'], headers['content-type'], body], [409, 'a, b', 'application/json', '{}']);
    for (const name of ['connection', 'x-hop', 'keep-alive', 'transfer-encoding'])
      assert.equal(headers[name], undefined);
  });

  it('says by which address the tunnel was dialled, where that may be told, whatever the API server says', async (t) => {
    const answer: RequestListener = (_request, response) =>
      response.setHeader(DIALLED_HEADER, 'elsewhere:1').setHeader('x-other', 'a').end();
    const told = await start(t, answer, {}, 'mgmt.example.com:9449');
    const { headers } = await told.ask('/api/v1');
    assert.deepEqual([headers[DIALLED_HEADER], headers['x-other']], ['mgmt.example.com:9449', 'a']);
    const untold = await start(t, answer);
    assert.equal((await untold.ask('/api/v1')).headers[DIALLED_HEADER], undefined);
  });

  it('comes at once, piece by piece; and what nobody waits for any more is ended', async (t) => {
    const watched = Promise.withResolvers<ServerResponse>();
    const { http2 } = await start(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      watched.resolve(response);
    });
    const stream = http2.request({ ':path': '/api/v1/pods?watch=true' });
    await once(stream, 'response');
    const response = await watched.promise;
    for (let event = 0; event < 3; event++) {
      response.write(`{"event":${event}}\n`);
      const [chunk] = (await once(stream, 'data')) as [Buffer];
      assert.equal(chunk.toString(), `{"event":${event}}\n`, 'it waits for no other');
    }
    stream.close();
    await once(response, 'close');
  });

  it('is 502 and nothing else when there is no API server, and a broken answer when it breaks off', async (t) => {
    const { ask, http2 } = await start(t, (request, response) => {
      if (request.url === '/api/none') request.socket.destroy();
      else response.writeHead(200).write('part', () => request.socket.destroy());
    });
    const { code, body } = await ask('/api/none');
    assert.deepEqual([code, body], [502, '']);
    const stream = http2.request({ ':path': '/api/part' });
    await assert.rejects(stream.toArray());
    assert.equal((await ask('/version')).code, 404);
  });
});

describe('the protocol', () => {
  it('is HTTP/2 by ALPN, HTTP/1.1 for those who know nothing else or do not say, and nothing else', async (t) => {
    const { open, got } = await start(t, ok);
    assert.equal((await open()).alpnProtocol, false);
    const socket = await open(['http/1.1']);
    assert.equal(socket.alpnProtocol, 'http/1.1');
    const headers = 'host: cluster.invalid\r\nconnection: x-hop\r\nx-hop: 1\r\nexpect: 100-continue\r\n';
    socket.write(`GET /api/v1/namespaces HTTP/1.1\r\n${headers}impersonate-group: a\r\nimpersonate-group: b\r\n\r\n`);
    let heard = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      heard += text;
    });
    while (!heard.endsWith('ok\r\n0\r\n\r\n') && !heard.endsWith('\r\n\r\nok')) await once(socket, 'data');
    assert.match(heard, /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK\r\n/);
    const [first] = got;
    assert.ok(first);
    assert.deepEqual(valuesOf(first, 'impersonate-group'), ['a', 'b']);
    assert.deepEqual([valuesOf(first, 'x-hop'), valuesOf(first, 'expect')], [[], []]);
    assert.equal((await open(['h2', 'http/1.1'])).alpnProtocol, 'h2');
    assert.equal((await open(['http/1.1', 'h2'])).alpnProtocol, 'h2');
    assert.equal((await open(['spdy/3'])).destroyed, true);
  });
});
