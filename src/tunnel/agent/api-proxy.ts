import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Dispatcher } from 'undici';

/** The managed cluster's own kube-apiserver, and who asks it. */
export interface ApiTarget {
  /** `https://HOST:PORT`, perhaps with a path. */
  readonly server: string;
  authenticate(): Promise<{
    readonly headers: Readonly<Record<string, string | readonly string[]>>;
    readonly dispatcher: Dispatcher;
  }>;
}

/** Header of answers in which our agent says what it has dialled; Guardian has none of this kind. */
export const DIALLED_HEADER = 'kubectl-mcm-dialled';

/** Headers that are about one connection and not for the next. */
const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];

/** Of a request, beyond these: who asks is the agent, the host is the kube-apiserver's, and nobody waits for a 100. */
const REPLACED: readonly string[] = ['authorization', 'host', 'expect'];

/**
 * Answers what the management side asks of the cluster, as Guardian does: `/api/` and `/apis/` go to the
 * kube-apiserver with the agent's own rights, whatever the request says of its own; nothing else goes anywhere. Where
 * `dialled` is given, each answer of the kube-apiserver says by which address the tunnel was dialled that it goes through.
 */
export function apiProxy(
  target: ApiTarget,
  dialled: string | undefined,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (path === '/api' || path === '/apis') {
      response.writeHead(307, { location: `${path}/` }).end();
    } else if (path.startsWith('/api/') || path.startsWith('/apis/')) {
      passOn(target, dialled, request, response).catch(() => {
        // Whoever asked sees a broken answer, or no answer.
        if (response.headersSent) response.destroy();
        else response.writeHead(502, { 'content-length': 0 }).end();
      });
    } else {
      response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
    }
  };
}

async function passOn(
  target: ApiTarget,
  dialled: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const { headers, dispatcher } = await target.authenticate();
  const { origin, pathname } = new URL(target.server);
  const method = request.method ?? 'GET';
  const answer = await dispatcher.request({
    origin,
    path: `${pathname.replace(/\/$/, '')}${request.url}`,
    method: method as Dispatcher.HttpMethod,
    headers: requestHeaders(request, headers.authorization),
    body: method === 'GET' || method === 'HEAD' ? null : request,
    // A watch may be silent for long.
    bodyTimeout: 0,
    signal: gone.signal,
  });
  const { [DIALLED_HEADER]: _theirs, ...theirs } = answerHeaders(answer.headers);
  const own = dialled === undefined ? {} : { [DIALLED_HEADER]: dialled };
  response.writeHead(answer.statusCode, { ...theirs, ...own });
  response.flushHeaders();
  await pipeline(answer.body, response);
}

/**
 * What the request has, as often as it has it: joined to one, the groups of an impersonation would be another group. Of
 * the agent's own headers only its rights: an impersonation of its kubeconfig would be taken for the caller's.
 */
function requestHeaders({ rawHeaders, headers }: IncomingMessage, authorization: unknown): string[] {
  const dropped = new Set([...HOP_BY_HOP, ...REPLACED, ...namedIn(headers.connection)]);
  const kept: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!name.startsWith(':') && !dropped.has(name.toLowerCase())) kept.push(name, value);
  }
  return typeof authorization === 'string' ? [...kept, 'authorization', authorization] : kept;
}

function answerHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string | string[]> {
  const dropped = new Set([...HOP_BY_HOP, ...namedIn(headers.connection)]);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !dropped.has(name)) kept[name] = value;
  }
  return kept;
}

/** The headers that a Connection header declares to be about the connection as well. */
function namedIn(connection: string | string[] | undefined): string[] {
  const names = [connection ?? []].flat().flatMap((value) => value.toLowerCase().split(','));
  return names.map((name) => name.trim());
}
