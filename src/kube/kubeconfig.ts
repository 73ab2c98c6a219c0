import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import {
  type Cluster,
  type Context,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from '@kubernetes/client-node/dist/config_types.js';
import { messageOf, UserError } from '../errors.ts';
import { type Credentials, credentialsOf } from './credentials.ts';
import { parseYaml } from './plain-yaml.ts';

/** kubectl's connection flags; each one given overrides what the kubeconfig says. */
export interface KubeFlags {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly cluster?: string | undefined;
  readonly user?: string | undefined;
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  readonly certificateAuthority?: string | undefined;
  readonly clientCertificate?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly tlsServerName?: string | undefined;
  readonly insecureSkipTlsVerify?: boolean | undefined;
  readonly as?: string | undefined;
  readonly asGroups?: readonly string[] | undefined;
  readonly asUid?: string | undefined;
}

/** How to reach one API server, and as whom. */
export interface KubeContext {
  /** The kubeconfig's name for it; `in-cluster` from a pod's ServiceAccount. */
  readonly name: string;
  /** `https://HOST:PORT`, perhaps with a path. */
  readonly server: string;
  /** Headers and connection for a request; runs the kubeconfig's exec plugin or refreshes its token where needed. */
  authenticate(): Promise<Credentials>;
}

/** `as`, `as-groups` and their like of a kubeconfig user, which client-node reads only in part. */
interface Impersonation {
  readonly user?: string | undefined;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

interface MergedConfig {
  readonly clusters: Cluster[];
  readonly users: User[];
  readonly contexts: Context[];
  readonly impersonations: Map<string, Impersonation>;
  currentContext?: string;
}

const NO_CONFIGURATION = `error: Missing or incomplete configuration info.  Please point to an existing, complete config file:


  1. Via the command-line flag --kubeconfig
  2. Via the KUBECONFIG environment variable
  3. In your home directory as ~/.kube/config
`;

/**
 * Finds the API server to talk to, by kubectl's rules: `--kubeconfig`, else the files of `KUBECONFIG` merged (the first
 * that has a name wins, missing files are passed over), else `~/.kube/config`, else the pod's ServiceAccount.
 *
 * @throws UserError in kubectl's words when there is none, it does not parse, or the context is not in it.
 */
export function loadKubeContext(flags: KubeFlags, env: NodeJS.ProcessEnv = process.env): KubeContext {
  const config = mergeFiles(kubeconfigFiles(flags, env));
  const name = flags.context ?? config.currentContext;
  const context = config.contexts.find((candidate) => candidate.name === name);
  if (flags.context !== undefined && context === undefined) {
    throw new UserError(`error: context "${flags.context}" does not exist`, {
      hint: `contexts: ${config.contexts.map((known) => known.name).join(', ') || 'none'}`,
    });
  }
  if (context === undefined && name !== undefined && name !== '') {
    throw new UserError(`Error in configuration: context was not found for specified context: ${name}`);
  }
  if (context === undefined && flags.server === undefined) {
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
    if (host === undefined) throw new UserError(NO_CONFIGURATION);
    return new LoadedContext('in-cluster', podCluster(host, port), POD_USER, impersonate(flags));
  }
  const clusterName = flags.cluster ?? context?.cluster;
  const userName = flags.user ?? context?.user;
  const user = config.users.find((candidate) => candidate.name === userName);
  if (userName !== undefined && user === undefined)
    throw new UserError(`error: auth info "${userName}" does not exist`);
  const cluster = overrideCluster(
    config.clusters.find((candidate) => candidate.name === clusterName),
    clusterName,
    flags,
  );
  const kept = userName === undefined ? undefined : config.impersonations.get(userName);
  const asked = isPlain(cluster.server) ? NOBODY : overrideUser(user, flags);
  return new LoadedContext(context?.name ?? 'command line', cluster, asked, impersonate(flags, kept));
}

/** Where a pod finds its ServiceAccount. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

function podCluster(host: string, port: string): Cluster {
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  return { name: 'in-cluster', server, caFile: join(SERVICE_ACCOUNT, 'ca.crt'), skipTLSVerify: false };
}

/** Its token is replaced before it expires. */
const POD_USER: User = {
  name: 'in-cluster',
  authProvider: { name: 'tokenFile', config: { tokenFile: join(SERVICE_ACCOUNT, 'token') } },
};

/** The files that a kubeconfig is made of, first things first. */
export function kubeconfigFiles(flags: KubeFlags, env: NodeJS.ProcessEnv): string[] {
  if (flags.kubeconfig !== undefined) {
    if (!existsSync(flags.kubeconfig))
      throw new UserError(`error: stat ${flags.kubeconfig}: no such file or directory`);
    return [flags.kubeconfig];
  }
  const listed = env.KUBECONFIG?.split(delimiter).filter((file) => file !== '') ?? [];
  const home = env.HOME ?? env.USERPROFILE;
  const files = listed.length > 0 || home === undefined ? listed : [join(home, '.kube', 'config')];
  return files.filter((file) => existsSync(file));
}

/** @throws UserError where one does not parse */
export function mergeFiles(files: readonly string[]): MergedConfig {
  const merged: MergedConfig = { clusters: [], users: [], contexts: [], impersonations: new Map() };
  for (const file of files) {
    try {
      mergeFile(merged, file);
    } catch (error) {
      throw new UserError(`error: error loading config file "${file}": ${messageOf(error)}`);
    }
  }
  return merged;
}

function mergeFile(merged: MergedConfig, file: string): void {
  const parsed = parseYaml(readFileSync(file, 'utf8'));
  if (parsed === null) return;
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new Error('not a kubeconfig');
  const document = parsed as {
    clusters?: unknown;
    contexts?: unknown;
    users?: { name: string; user?: Record<string, unknown> }[];
    'current-context'?: string;
  };
  const clusters = newClusters(document.clusters).map(({ caFile, ...cluster }) => ({
    ...cluster,
    ...absolute({ caFile }, file),
  }));
  const users = newUsers(document.users).map(({ certFile, keyFile, ...user }) => ({
    ...user,
    ...absolute({ certFile, keyFile }, file),
  }));
  for (const { exec } of users) if (isRelativePath(exec?.command)) exec.command = join(dirname(file), exec.command);
  addMissing(merged.clusters, clusters);
  addMissing(merged.users, users);
  addMissing(merged.contexts, newContexts(document.contexts));
  for (const entry of document.users ?? []) {
    if (!merged.impersonations.has(entry.name))
      merged.impersonations.set(entry.name, impersonationOf(entry.user ?? {}));
  }
  merged.currentContext ||= document['current-context'] ?? '';
}

/** Relative paths are from the folder of the kubeconfig that they are in. */
function absolute<Name extends string>(
  paths: Record<Name, string | undefined>,
  file: string,
): Partial<Record<Name, string>> {
  const given = Object.entries<string | undefined>(paths).filter(([, path]) => path !== undefined && path !== '');
  return Object.fromEntries(
    given.map(([name, path = '']) => [name, isAbsolute(path) ? path : join(dirname(file), path)]),
  ) as Partial<Record<Name, string>>;
}

/** A plugin by a relative path is one beside the kubeconfig; a bare name is one on the PATH. */
function isRelativePath(command: unknown): boolean {
  return typeof command === 'string' && command.includes('/') && !isAbsolute(command);
}

function addMissing<T extends { readonly name: string }>(into: T[], from: readonly T[]): void {
  for (const item of from) if (!into.some((known) => known.name === item.name)) into.push(item);
}

function impersonationOf(user: Record<string, unknown>): Impersonation {
  return {
    user: user.as as string | undefined,
    uid: user['as-uid'] as string | undefined,
    groups: (user['as-groups'] as string[] | undefined) ?? [],
    extra: (user['as-user-extra'] as Record<string, string[]> | undefined) ?? {},
  };
}

/** Flags replace the whole impersonation of the kubeconfig: half of each would be nobody anyone meant. */
function impersonate(flags: KubeFlags, kept?: Impersonation): Impersonation | undefined {
  if (flags.as !== undefined) return { user: flags.as, uid: flags.asUid, groups: flags.asGroups ?? [], extra: {} };
  if ((flags.asGroups ?? []).length > 0 || flags.asUid !== undefined) {
    throw new UserError('error: requesting uid, groups or user-extra without impersonating a user', {
      hint: 'give --as as well',
    });
  }
  return kept;
}

function overrideCluster(found: Cluster | undefined, name: string | undefined, flags: KubeFlags): Cluster {
  const server = urlOf(flags.server ?? found?.server, name ?? '');
  const caFile = flags.certificateAuthority ?? found?.caFile;
  const tlsServerName = flags.tlsServerName ?? found?.tlsServerName;
  const caData = flags.certificateAuthority === undefined ? found?.caData : undefined;
  return {
    name: name ?? 'command line',
    server,
    // client-node refuses plain HTTP otherwise, where there is nothing to verify.
    skipTLSVerify: isPlain(server) || (flags.insecureSkipTlsVerify ?? found?.skipTLSVerify ?? false),
    ...(caFile === undefined ? {} : { caFile }),
    ...(caData === undefined ? {} : { caData }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(found?.proxyUrl === undefined ? {} : { proxyUrl: found.proxyUrl }),
  };
}

/** As kubectl takes it: without a scheme it is https. */
function urlOf(server: string | undefined, cluster: string): string {
  if (server === undefined) throw new UserError(`error: cluster "${cluster}" does not exist`);
  const url = /^https?:\/\//.test(server) ? server : `https://${server}`;
  if (!URL.canParse(url)) throw new UserError(`error: the server "${server}" is not a URL`);
  return url.replace(/\/$/, '');
}

/** "kubectl proxy" and the like. */
function isPlain(server: string): boolean {
  return server.startsWith('http:');
}

/** As kubectl does: nobody's credentials go over a connection that everybody can read. */
const NOBODY: User = { name: 'nobody' };

function overrideUser(found: User | undefined, flags: KubeFlags): User {
  const base: User = found ?? { name: 'command line' };
  const { certData, keyData, ...rest } = base;
  const keepKeys = flags.clientCertificate === undefined && flags.clientKey === undefined;
  return {
    ...rest,
    ...(keepKeys && certData !== undefined ? { certData } : {}),
    ...(keepKeys && keyData !== undefined ? { keyData } : {}),
    ...(flags.token === undefined ? {} : { token: flags.token }),
    ...(flags.clientCertificate === undefined ? {} : { certFile: flags.clientCertificate }),
    ...(flags.clientKey === undefined ? {} : { keyFile: flags.clientKey }),
  };
}

class LoadedContext implements KubeContext {
  readonly name: string;
  readonly server: string;
  readonly #credentials: () => Promise<Credentials>;
  readonly #impersonation: Impersonation | undefined;

  constructor(name: string, cluster: Cluster, user: User, impersonation: Impersonation | undefined) {
    this.name = name;
    this.server = cluster.server;
    this.#credentials = credentialsOf(cluster, user);
    this.#impersonation = impersonation;
  }

  async authenticate(): Promise<Credentials> {
    try {
      const { headers, dispatcher } = await this.#credentials();
      return { headers: { ...headers, ...this.#impersonationHeaders() }, dispatcher };
    } catch (error) {
      throw new UserError(`Unable to connect to the server: getting credentials: ${messageOf(error)}`);
    }
  }

  #impersonationHeaders(): Record<string, string | string[]> {
    const as = this.#impersonation;
    if (as?.user === undefined) return {};
    const headers: Record<string, string | string[]> = { 'impersonate-user': utf8Header(as.user) };
    if (as.uid !== undefined) headers['impersonate-uid'] = utf8Header(as.uid);
    if (as.groups.length > 0) headers['impersonate-group'] = as.groups.map(utf8Header);
    for (const [key, values] of Object.entries(as.extra)) {
      headers[`impersonate-extra-${encodeURIComponent(key).toLowerCase()}`] = values.map(utf8Header);
    }
    return headers;
  }
}

/** A value that is on the wire in UTF-8, as API servers read headers: undici writes a byte a character. */
function utf8Header(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}
