import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FORWARDER_KEYS } from '../src/clusters/connection-manifest.ts';
import { type ForwarderCredentials, readForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import type { KeyPair } from '../src/clusters/key-pair.ts';
import { MANAGEMENT_CONFIG, MANAGEMENT_KEYS } from '../src/install/management.ts';
import type { ConfigMap, KubeList, KubeObject } from '../src/kube/objects.ts';
import { type UserName, userKeys } from '../testbed/kubernetes/cluster.ts';
import type { Outcome, RunOptions } from '../testbed/processes.ts';
import { type TestbedFacts, Workbench } from '../testbed/testbed.ts';

/** Environment variable in which the tests find the shared testbed. */
export const TESTBED_VARIABLE = 'KUBECTL_MCM_TESTBED';

/** The servers that all tests share. */
export function sharedWorkbench(): Workbench {
  const facts = process.env[TESTBED_VARIABLE];
  if (facts === undefined) throw new Error('run the tests by "npm test", which starts the servers they need');
  return new Workbench(JSON.parse(facts) as TestbedFacts);
}

/** A new folder for the files of one test. */
export function newFolder(workbench: Workbench, name: string): string {
  return mkdtempSync(join(workbench.directory, `${name}-`));
}

/** Runs `kubectl mcm`; that kubectl itself makes the same of it, kubectl.test.ts shows. */
export async function mcm(workbench: Workbench, args: readonly string[], options?: RunOptions): Promise<Outcome> {
  return await workbench.mcm(args, options);
}

/** A managed cluster that is registered, and its log files on one node. */
export interface Sender {
  readonly cluster: string;
  readonly folder: string;
  /** The manifest that add-cluster wrote. */
  readonly manifest: string;
  readonly credentials: ForwarderCredentials;
}

/** Registers a managed cluster of its own for a test. */
export async function addSender(workbench: Workbench, cluster: string): Promise<Sender> {
  const folder = newFolder(workbench, cluster);
  const manifest = join(folder, 'manifest.yaml');
  await workbench.mustMcm(['add-cluster', cluster, '-o', manifest]);
  const sender = { cluster, folder, manifest, credentials: readForwarderCredentials(manifest) };
  await untilRegistered(sender);
  return sender;
}

/** The manager learns of a new cluster by its watch. */
async function untilRegistered({ credentials }: Sender): Promise<void> {
  await eventually(async () => (await post(credentials, '/api/v1/flows/logs/bulk', '')).code === 200);
}

/** Waits until `check` says so. @throws Error after 30 seconds: much happens at once on the machines that run tests. */
export async function eventually(check: () => Promise<boolean>, timeout = 30_000): Promise<void> {
  // Not the date, which tests change.
  const deadline = performance.now() + timeout;
  for (;;) {
    const began = performance.now();
    if (await check()) return;
    const now = performance.now();
    if (now > deadline) throw new Error(`still not so after ${timeout} ms: ${check}`);
    // A look that runs a program must not take the processor from what it waits for.
    await sleep(Math.max(50, now - began));
  }
}

/** `forward --once` for a sender; its state is a folder beside its files. */
export async function forward(
  workbench: Workbench,
  sender: Sender,
  args: readonly string[],
  options?: RunOptions,
): Promise<Outcome> {
  const { manifest, folder } = sender;
  const always = ['--once', '--credentials', manifest, '--state', join(folder, 'state'), '--host', 'node-1'];
  return await mcm(workbench, ['forward', ...always, ...args], options);
}

/** What `forward -o json` says. */
export interface ForwardReport {
  readonly cluster: string;
  readonly types: readonly {
    readonly type: string;
    readonly shipped: number;
    readonly known: number;
    readonly setAside: number;
    readonly leftBytes: number;
    readonly unfinishedBytes: number;
  }[];
}

/** Writes a forwarder's Secret as a directory, as a pod sees it, with other values than the manifest's where given. */
export function credentialsFolder(
  folder: string,
  credentials: ForwarderCredentials,
  changed: { readonly address?: string; readonly keys?: KeyPair } = {},
): string {
  const files = {
    [FORWARDER_KEYS.address]: changed.address ?? credentials.address,
    [FORWARDER_KEYS.ca]: credentials.ca,
    [FORWARDER_KEYS.certificate]: changed.keys?.certificate ?? credentials.certificate,
    [FORWARDER_KEYS.key]: changed.keys?.key ?? credentials.key,
  };
  const target = mkdtempSync(join(folder, 'credentials-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(target, name), text);
  return target;
}

export interface HttpAnswer {
  readonly code: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

export interface PostOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Another certificate than the forwarder's; null for none. */
  readonly keys?: KeyPair | null;
}

/** Posts to the manager's port for clusters as any HTTP client would. Rejects when the connection breaks. */
export async function post(
  credentials: ForwarderCredentials,
  path: string,
  body: string | Buffer,
  { headers = {}, keys }: PostOptions = {},
): Promise<HttpAnswer> {
  const own = { certificate: credentials.certificate, key: credentials.key };
  const used = keys === undefined ? own : keys;
  return await rawRequest(`https://${credentials.address}`, path, {
    method: 'POST',
    headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    body,
    ca: credentials.ca,
    servername: credentials.serverName,
    ...(used === null ? {} : { cert: used.certificate, key: used.key }),
  });
}

interface RawOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

/** One request with its path exactly as given, on a connection of its own. */
export async function rawRequest(origin: string, path: string, options: RawOptions): Promise<HttpAnswer> {
  const { hostname, port } = new URL(origin);
  const { body, ...rest } = options;
  return await new Promise((resolve, reject) => {
    const sent = request({ ...rest, hostname, port, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.once('end', () => resolve({ code: response.statusCode ?? 0, text, headers: response.headers }));
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Asks for an exact path; GET, unless it says otherwise. */
export type Ask = (path: string, options?: Pick<RawOptions, 'method' | 'headers' | 'body'>) => Promise<HttpAnswer>;

/** A user of the management cluster, who asks its kube-apiserver. */
export async function userOf(workbench: Workbench, name: UserName): Promise<Ask> {
  const { management } = workbench.facts;
  const keys = await userKeys(management, name);
  const known = { ca: management.ca.certificate, cert: keys.certificate, key: keys.key };
  return (path, options = {}) => rawRequest(management.url, path, { ...known, ...options });
}

/** Arguments that make kubectl that user, by a certificate of their own. */
export async function as(workbench: Workbench, name: string): Promise<string[]> {
  const { management, directory } = workbench.facts;
  const keys = await userKeys(management, { name });
  // A directory for each: another test, of another process, may be somebody of the same name.
  const own = mkdtempSync(join(directory, `${name}-`));
  const certificate = join(own, 'client.crt');
  const key = join(own, 'client.key');
  writeFileSync(certificate, keys.certificate);
  writeFileSync(key, keys.key);
  return ['--client-certificate', certificate, '--client-key', key];
}

/** Who comes to the manager's API port itself: by what certificate, if any. */
export async function managerPort(workbench: Workbench, keys: KeyPair | undefined): Promise<Ask> {
  const { data = {} } = await getObject<ConfigMap>(workbench, 'configmap', MANAGEMENT_CONFIG, 'kubectl-mcm');
  const known = {
    ...{ ca: data[MANAGEMENT_KEYS.ca] ?? '', servername: 'manager.kubectl-mcm.svc' },
    ...(keys === undefined ? {} : { cert: keys.certificate, key: keys.key }),
  };
  return (path, options = {}) => rawRequest(`https://${workbench.apiAddress}`, path, { ...known, ...options });
}

/** What kube-apiserver itself proves itself with at the manager's API port, or the CA of that. */
export function frontProxyKeys({ facts }: Workbench, name: 'front-proxy' | 'front-proxy-ca' = 'front-proxy'): KeyPair {
  const read = (file: string) => readFileSync(join(facts.management.directory, 'pki', file), 'utf8');
  return { certificate: read(`${name}.crt`), key: read(`${name}.key`) };
}

/** Applies objects to the management cluster. */
export async function apply(workbench: Workbench, objects: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await workbench.mustKubectl(['apply', '-f', '-'], { input: JSON.stringify(list) });
}

/** Grants a user log access by a rule of its own, as Calico's documentation writes them. */
export async function grant(
  workbench: Workbench,
  user: string,
  rule: { readonly resources: readonly string[]; readonly resourceNames?: readonly string[] },
): Promise<void> {
  const group = 'rbac.authorization.k8s.io';
  const rules = [{ apiGroups: ['lma.tigera.io'], ...rule, verbs: ['get'] }];
  await apply(workbench, [
    { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: `logs-${user}` }, rules },
    {
      apiVersion: `${group}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: `logs-${user}` },
      subjects: [{ kind: 'User', name: user, apiGroup: group }],
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: `logs-${user}` },
    },
  ]);
}

/** Where objects are that tests look at again and again. */
const PATHS = {
  apiservice: (name: string) => `/apis/apiregistration.k8s.io/v1/apiservices/${name}`,
  configmap: (name: string, namespace: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`,
  lease: (name: string, namespace: string) => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`,
  managedcluster: (name: string) => `/apis/kubectl-mcm.io/v1/managedclusters/${name}`,
  secret: (name: string, namespace: string) => `/api/v1/namespaces/${namespace}/secrets/${name}`,
} as const;

const admins = new WeakMap<Workbench, Promise<Ask>>();

/** An object of the management cluster, read without kubectl: many look until it is as they want it. */
export async function getObject<T extends KubeObject>(
  workbench: Workbench,
  kind: keyof typeof PATHS,
  name: string,
  namespace = 'default',
): Promise<T> {
  return await askAdmin<T>(workbench, PATHS[kind](name, namespace));
}

async function askAdmin<T>(workbench: Workbench, path: string): Promise<T> {
  const asking = admins.get(workbench) ?? userOf(workbench, { name: 'admin', groups: ['system:masters'] });
  admins.set(workbench, asking);
  const { code, text } = await (await asking)(path);
  if (code !== 200) throw new Error(`${path}: ${code} ${text}`);
  return JSON.parse(text) as T;
}

/** Waits until kube-apiserver takes the manager behind its API services to be there, or not: it looks every so often. */
export async function apiServicesAre(workbench: Workbench, status: 'True' | 'False'): Promise<void> {
  await eventually(async () => {
    const { items } = await askAdmin<KubeList<ApiService>>(workbench, '/apis/apiregistration.k8s.io/v1/apiservices');
    const served = items.filter(({ spec }) => spec.service !== undefined);
    const isSo = ({ status: { conditions = [] } = {} }: ApiService) =>
      conditions.some((condition) => condition.type === 'Available' && condition.status === status);
    return served.length > 0 && served.every(isSo);
  }, 90_000);
}

interface ApiService extends KubeObject {
  readonly spec: { readonly service?: object };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}
