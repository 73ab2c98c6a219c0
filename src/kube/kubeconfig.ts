import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import {
  type Cluster,
  type Context,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from '@kubernetes/client-node/dist/config_types.js';
import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import type { Dispatcher } from 'undici';
import { parse } from 'yaml';
import { messageOf, UserError } from '../errors.ts';

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

export interface Credentials {
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** undefined: undici's own, with the system's trust. */
  readonly dispatcher: Dispatcher | undefined;
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
  const inCluster = new KubeConfig();
  if (context === undefined && flags.server === undefined) {
    if (env.KUBERNETES_SERVICE_HOST === undefined) throw new UserError(NO_CONFIGURATION);
    inCluster.loadFromCluster();
    return new LoadedContext('in-cluster', inCluster, impersonate(flags));
  }
  const clusterName = flags.cluster ?? context?.cluster;
  const userName = flags.user ?? context?.user;
  const user = config.users.find((candidate) => candidate.name === userName);
  if (userName !== undefined && user === undefined)
    throw new UserError(`error: auth info "${userName}" does not exist`);
  const kubeConfig = new KubeConfig();
  const cluster = overrideCluster(
    config.clusters.find((candidate) => candidate.name === clusterName),
    clusterName,
    flags,
  );
  kubeConfig.loadFromClusterAndUser(cluster, isPlain(cluster.server) ? NOBODY : overrideUser(user, flags));
  const kept = userName === undefined ? undefined : config.impersonations.get(userName);
  return new LoadedContext(context?.name ?? 'command line', kubeConfig, impersonate(flags, kept));
}

function kubeconfigFiles(flags: KubeFlags, env: NodeJS.ProcessEnv): string[] {
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

function mergeFiles(files: readonly string[]): MergedConfig {
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
  const parsed: unknown = parse(readFileSync(file, 'utf8'));
  if (parsed === null) return;
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new Error('not a kubeconfig');
  const document = parsed as {
    clusters?: unknown;
    contexts?: unknown;
    users?: { name: string; user?: Record<string, unknown> }[];
    'current-context'?: string;
  };
  const single = new KubeConfig();
  single.loadFromOptions({
    clusters: newClusters(document.clusters),
    users: newUsers(document.users),
    contexts: newContexts(document.contexts),
    currentContext: document['current-context'],
  });
  single.makePathsAbsolute(dirname(file));
  for (const { exec } of single.users)
    if (isRelativePath(exec?.command)) exec.command = join(dirname(file), exec.command);
  addMissing(merged.clusters, single.clusters);
  addMissing(merged.users, single.users);
  addMissing(merged.contexts, single.contexts);
  for (const entry of document.users ?? []) {
    if (!merged.impersonations.has(entry.name))
      merged.impersonations.set(entry.name, impersonationOf(entry.user ?? {}));
  }
  merged.currentContext ||= document['current-context'] ?? '';
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
  readonly #config: KubeConfig;
  readonly #impersonation: Impersonation | undefined;
  #dispatcher: { readonly value: Dispatcher | undefined } | undefined;

  constructor(name: string, config: KubeConfig, impersonation: Impersonation | undefined) {
    this.name = name;
    this.server = config.getCurrentCluster()?.server ?? '';
    this.#config = config;
    this.#impersonation = impersonation;
  }

  async authenticate(): Promise<Credentials> {
    const headers: Record<string, string | string[]> = {};
    let dispatcher: Dispatcher | undefined;
    // client-node resolves exec plugins, OIDC, token files, proxies and TLS; it writes the outcome into the request
    // context of its own client, of which these two setters are all it calls.
    const sink = {
      setHeaderParam: (key: string, value: string) => {
        headers[key.toLowerCase()] = value;
      },
      setDispatcher: (value: Dispatcher) => {
        dispatcher = value;
      },
    };
    try {
      await this.#config.applySecurityAuthentication(sink as unknown as RequestContext);
    } catch (error) {
      throw new UserError(`Unable to connect to the server: getting credentials: ${messageOf(error)}`);
    }
    // One connection pool for the life of the context: a new one each time would open a connection a request.
    this.#dispatcher ??= { value: dispatcher };
    return { headers: { ...headers, ...this.#impersonationHeaders() }, dispatcher: this.#dispatcher.value };
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
