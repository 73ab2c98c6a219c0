import { readFileSync } from 'node:fs';
import type { Cluster, User } from '@kubernetes/client-node/dist/config_types.js';
import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import { Agent, type Dispatcher } from 'undici';

/** What a request to an API server is made with. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly dispatcher: Dispatcher;
}

/** As client-go, and before load balancers end what is idle. */
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 };

/**
 * Who a user of a kubeconfig is to a cluster, asked before each request. client-node knows exec plugins, OIDC, token files
 * and proxies; loading it takes longer than most commands run, and certificates, tokens and passwords need none of it.
 */
export function credentialsOf(cluster: Cluster, user: User): () => Promise<Credentials> {
  const isPlain = user.exec === undefined && user.authProvider === undefined && cluster.proxyUrl === undefined;
  let asked: Promise<() => Promise<Credentials>> | undefined;
  return async () => {
    asked ??= isPlain ? Promise.resolve(plainCredentials(cluster, user)) : clientNodeCredentials(cluster, user);
    return await (await asked)();
  };
}

function plainCredentials(cluster: Cluster, user: User): () => Promise<Credentials> {
  const { token, username, password } = user;
  const headers: Record<string, string> = {};
  if (username !== undefined) {
    headers.authorization = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  }
  if (token !== undefined && token !== '') headers.authorization = `Bearer ${token}`;
  const credentials = { headers, dispatcher: dispatcherOf(cluster, user) };
  return async () => credentials;
}

function dispatcherOf(cluster: Cluster, user: User): Dispatcher {
  const ca = pem(cluster.caFile, cluster.caData);
  const cert = pem(user.certFile, user.certData);
  const key = pem(user.keyFile, user.keyData);
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(cluster.tlsServerName === undefined ? {} : { servername: cluster.tlsServerName }),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
  };
  return new Agent({ connect: { ...tls, ...KEEP_ALIVE } });
}

/** @throws the system's error where the file cannot be read. */
function pem(file: string | undefined, data: string | undefined): Buffer | undefined {
  if (file !== undefined && file !== '') return readFileSync(file);
  return data === undefined || data === '' ? undefined : Buffer.from(data, 'base64');
}

async function clientNodeCredentials(cluster: Cluster, user: User): Promise<() => Promise<Credentials>> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  config.loadFromClusterAndUser(cluster, user);
  let first: Dispatcher | undefined;
  return async () => {
    const headers: Record<string, string> = {};
    let dispatcher: Dispatcher | undefined;
    // The outcome is written into the request context of its own client, of which these two setters are all it calls.
    const sink = {
      setHeaderParam: (name: string, value: string) => {
        headers[name.toLowerCase()] = value;
      },
      setDispatcher: (value: Dispatcher) => {
        dispatcher = value;
      },
    };
    await config.applySecurityAuthentication(sink as unknown as RequestContext);
    // One connection pool for all requests: a new one each time would open a connection a request.
    first ??= dispatcher ?? new Agent({ connect: KEEP_ALIVE });
    return { headers, dispatcher: first };
  };
}
