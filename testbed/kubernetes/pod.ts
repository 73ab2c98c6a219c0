import { randomInt } from 'node:crypto';
import { chmodSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerProcess } from '../processes.ts';
import type { Workbench } from '../testbed.ts';
import type { ClusterFacts } from './cluster.ts';
import { containerImage, ENTRYPOINT, SETPRIV, unpackImage } from './container-image.ts';
import { type Container, type EnvVar, expand, type PodSpec, podSpecOf, type Workload } from './pod-template.ts';
import { mountVolumes, type PodFacts, refreshVolumes } from './pod-volumes.ts';

export interface PodOptions {
  /** The cluster's context in the kubeconfig; by default the management cluster's. */
  readonly context?: string;
  readonly namespace?: string;
  /** `statefulset/manager`, `daemonset/forwarder`, ... */
  readonly workload: string;
  readonly node?: string;
}

/** Below those of other tests' servers, which listen on 127.0.0.1. */
const POD_NETWORK = [128, 255] as const;

/**
 * A pod of a workload that the API server has, as one process, played as kubelet would: its container's command,
 * environment, user and volumes, its ServiceAccount's own token, an address of its own. Its file system is the image's,
 * and it sees no other (chroot), so that paths are those of the spec.
 *
 * What needs more rights than tests have is not played: limits, read-only file systems where the user is root, the
 * network. Nothing restarts it.
 */
export class Pod {
  /** One of the machine's own (127.0.0.0/8), so that ports are those of the spec. */
  readonly ip: string;
  readonly #workbench: Workbench;
  readonly #options: Required<PodOptions>;
  readonly #root: string;
  #process: ServerProcess | undefined;
  #probe: URL | undefined;
  #refresh: () => Promise<void> = async () => undefined;

  private constructor(workbench: Workbench, options: Required<PodOptions>, root: string) {
    this.#workbench = workbench;
    this.#options = options;
    this.#root = root;
    this.ip = `127.${randomInt(...POD_NETWORK)}.${randomInt(256)}.${randomInt(1, 255)}`;
  }

  /** Starts one and does not wait for it. @throws Error where kubelet would not start it, with its reason */
  static async start(workbench: Workbench, options: PodOptions): Promise<Pod> {
    const { context = workbench.facts.management.name, namespace = 'kubectl-mcm', node = 'node-1' } = options;
    const image = await containerImage(workbench.directory);
    const root = mkdtempSync(join(workbench.directory, `${options.workload.replace('/', '-')}-`));
    unpackImage(image, root);
    chmodSync(root, 0o755);
    const pod = new Pod(workbench, { ...options, context, namespace, node }, root);
    await pod.restart();
    return pod;
  }

  /** Where a path of the container is for others. */
  path(inside: string): string {
    return join(this.#root, inside);
  }

  get process(): ServerProcess {
    if (this.#process === undefined) throw new Error('the pod has not been started');
    return this.#process;
  }

  /** Ends what runs and starts what the workload is now: with its claims and host paths as they were left. */
  async restart(): Promise<void> {
    await this.stop();
    const workload = await this.#get<Workload>(this.#options.workload);
    const spec = podSpecOf(workload);
    const [container, ...others] = spec.containers;
    if (container === undefined || others.length > 0 || spec.initContainers !== undefined)
      throw new Error('the testbed starts pods of one container');
    const facts = this.#facts(workload, spec);
    const uid = container.securityContext?.runAsUser ?? spec.securityContext?.runAsUser ?? 0;
    const gid = container.securityContext?.runAsGroup ?? spec.securityContext?.runAsGroup ?? 0;
    const fsGroup = spec.securityContext?.fsGroup;
    await mountVolumes(this.#root, spec, facts, { uid, fsGroup });
    this.#refresh = async () => await refreshVolumes(this.#root, spec, facts, { uid, fsGroup });
    const env = await this.#environment(container, facts);
    const command = [...(container.command ?? ENTRYPOINT), ...(container.args ?? [])].map((word) => expand(word, env));
    const [program = '', ...args] = inContainer(this.#root, { uid, gid, groups: [fsGroup ?? gid] }, command);
    this.#process = new ServerProcess(this.#options.workload, program, args, {
      logFile: `${this.#root}.log`,
      env,
    });
    this.#probe = probeOf(container, this.ip);
  }

  /** Gives the container what Secrets and ConfigMaps are now, as kubelet does within a minute or so. */
  async refreshVolumes(): Promise<void> {
    await this.#refresh();
  }

  /** Waits until the container's own readiness probe says so. @throws Error with the end of the log */
  async untilReady(): Promise<void> {
    const probe = this.#probe;
    if (probe === undefined) throw new Error(`${this.#options.workload} has no readiness probe`);
    await this.process.untilReady(async () => (await fetch(probe)).ok);
  }

  /** Waits for the end of what ends by itself (a Job): its exit code. */
  async untilEnded(timeout = 60_000): Promise<number | null> {
    const deadline = Date.now() + timeout;
    while (this.process.running && Date.now() < deadline) await sleep(50);
    if (this.process.running) throw new Error(`${this.#options.workload} still runs after ${timeout / 1000} s`);
    return this.process.exitCode;
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  #facts({ kind, metadata }: Workload, { serviceAccountName = 'default' }: PodSpec): PodFacts {
    const { namespace, node } = this.#options;
    const fields: Readonly<Record<string, string>> = {
      'metadata.name': kind === 'StatefulSet' ? `${metadata.name}-0` : `${metadata.name}-x7k2p`,
      'metadata.namespace': namespace,
      'spec.nodeName': node,
      'spec.serviceAccountName': serviceAccountName,
      'status.hostIP': this.ip,
      'status.podIP': this.ip,
    };
    const dataOf = async (what: string) => {
      const found = await this.#kubectl(['get', what, '--ignore-not-found', '-o', 'json']);
      return found === '' ? undefined : ((JSON.parse(found) as { data?: Record<string, string> }).data ?? {});
    };
    return {
      secret: (name) => dataOf(`secret/${name}`),
      configMap: async (name) => {
        // Every namespace has it from a controller that does not run here.
        if (name === 'kube-root-ca.crt') return { 'ca.crt': this.#cluster.ca.certificate };
        return await dataOf(`configmap/${name}`);
      },
      token: async (audience) => {
        const wanted = audience === undefined ? [] : ['--audience', audience];
        return (await this.#kubectl(['create', 'token', serviceAccountName, ...wanted])).trim();
      },
      field: (path) => {
        const value = fields[path];
        if (value === undefined) throw new Error(`the testbed does not know the field ${path}`);
        return value;
      },
    };
  }

  async #environment(container: Container, facts: PodFacts): Promise<Record<string, string>> {
    const { hostname, port } = new URL(this.#cluster.url);
    const env: Record<string, string> = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/',
      HOSTNAME: facts.field('metadata.name'),
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
    };
    for (const variable of container.env ?? []) {
      const value = await variableOf(variable, env, facts);
      if (value !== undefined) env[variable.name] = value;
    }
    return env;
  }

  get #cluster(): ClusterFacts {
    const { management, managed } = this.#workbench.facts;
    const found = [management, ...managed].find(({ name }) => name === this.#options.context);
    if (found === undefined) throw new Error(`the testbed has no cluster ${this.#options.context}`);
    return found;
  }

  async #get<T>(what: string): Promise<T> {
    return JSON.parse(await this.#kubectl(['get', what, '-o', 'json'])) as T;
  }

  async #kubectl(args: readonly string[]): Promise<string> {
    const { context, namespace } = this.#options;
    return await this.#workbench.mustKubectl(['--context', context, '-n', namespace, ...args]);
  }
}

async function variableOf(
  { name, value, valueFrom }: EnvVar,
  known: Readonly<Record<string, string>>,
  facts: PodFacts,
): Promise<string | undefined> {
  if (valueFrom === undefined) return expand(value ?? '', known);
  const { fieldRef, secretKeyRef, configMapKeyRef } = valueFrom;
  if (fieldRef !== undefined) return facts.field(fieldRef.fieldPath);
  const ref = secretKeyRef ?? configMapKeyRef;
  if (ref === undefined) throw new Error(`the testbed cannot find a value for ${name}`);
  const data = await (secretKeyRef === undefined ? facts.configMap(ref.name) : facts.secret(ref.name));
  const found = data?.[ref.key];
  if (found !== undefined) return secretKeyRef === undefined ? found : Buffer.from(found, 'base64').toString();
  if (ref.optional === true) return undefined;
  throw new Error(`CreateContainerConfigError: ${name}: "${ref.name}" has no "${ref.key}"`);
}

interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** A command in a root file system of its own, as a user of the container's without any capability. */
function inContainer(root: string, { uid, gid, groups }: User, command: readonly string[]): string[] {
  const isRoot = process.getuid?.() === 0;
  // Others than root may only change their root in a namespace, in which there is nobody but themselves.
  const enter = isRoot ? ['chroot', root] : ['unshare', '--user', '--map-root-user', 'chroot', root];
  const become = isRoot ? [`--reuid=${uid}`, `--regid=${gid}`, `--groups=${groups.join(',')}`] : [];
  const confine = ['--inh-caps=-all', '--bounding-set=-all', '--no-new-privs', '--pdeathsig=KILL'];
  return [...enter, SETPRIV, ...become, ...confine, '--', ...command];
}

function probeOf({ ports = [], readinessProbe }: Container, ip: string): URL | undefined {
  const get = readinessProbe?.httpGet;
  if (get === undefined) return undefined;
  const port = typeof get.port === 'number' ? get.port : ports.find(({ name }) => name === get.port)?.containerPort;
  return new URL(`${(get.scheme ?? 'HTTP').toLowerCase()}://${ip}:${port}${get.path ?? '/'}`);
}
