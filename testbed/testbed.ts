import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { untilEstablished } from '../src/install/apply.ts';
import { KubeClient } from '../src/kube/client.ts';
import { loadKubeContext } from '../src/kube/kubeconfig.ts';
import type { KubeObject } from '../src/kube/objects.ts';
import { Elasticsearch, ElasticsearchClient } from './elasticsearch/elasticsearch.ts';
import { kubernetesBinaries } from './kubernetes/binaries.ts';
import { CALICO_OBJECTS, CALICO_RESOURCES } from './kubernetes/calico.ts';
import { Cluster, type ClusterFacts, certificateContext, tokenContext, writeKubeconfig } from './kubernetes/cluster.ts';
import { freePorts, guarded, mustRun, type Outcome, type RunOptions, run, ServerProcess } from './processes.ts';

const PROJECT = join(import.meta.dirname, '..');
const LOOPBACK = '127.0.0.1';

/** Where a manager listens; known before it runs, since `install management` is told. */
export interface ManagerPorts {
  readonly clusters: number;
  readonly api: number;
  readonly health: number;
}

/** What there is to know of a running testbed, for another process to use it. */
export interface TestbedFacts {
  readonly directory: string;
  readonly management: ClusterFacts;
  readonly managed: readonly ClusterFacts[];
  readonly elasticsearchUrl: string;
  readonly managerPorts: ManagerPorts;
  /** A kubeconfig with a context for each cluster, as administrator; the management cluster is the current one. */
  readonly kubeconfig: string;
  /** A folder with kubectl, kubectl-mcm, what completes it, and a Node.js that runs them. */
  readonly bin: string;
}

export interface ManagerOptions {
  readonly ports?: ManagerPorts;
  readonly elasticsearchUrl?: string;
  /** Where it finds the management cluster's API server, if by another way than directly. */
  readonly apiserverUrl?: string;
  /** More of its flags. */
  readonly flags?: readonly string[];
  /** More of its environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** What answers 200 once it may be used; `/livez` where its store is not there yet. */
  readonly readyPath?: string;
}

export interface AgentOptions {
  /** The managed cluster's context in the kubeconfig. */
  readonly context: string;
  readonly manifest: string;
  readonly logName: string;
  readonly flags?: readonly string[];
  /** What its environment has beyond a user's. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Working with the servers of a testbed, as its users do. */
export class Workbench {
  readonly facts: TestbedFacts;
  readonly elasticsearch: ElasticsearchClient;

  constructor(facts: TestbedFacts) {
    this.facts = facts;
    this.elasticsearch = new ElasticsearchClient(facts.elasticsearchUrl);
  }

  get directory(): string {
    return this.facts.directory;
  }

  /** `HOST:PORT` that managed clusters dial. */
  get address(): string {
    return `${LOOPBACK}:${this.facts.managerPorts.clusters}`;
  }

  /** `HOST:PORT` at which the management cluster's kube-apiserver reaches the manager. */
  get apiAddress(): string {
    return `${LOOPBACK}:${this.facts.managerPorts.api}`;
  }

  /** The environment in which a user of this testbed works. */
  get env(): NodeJS.ProcessEnv {
    const { bin, kubeconfig, directory } = this.facts;
    return { ...process.env, PATH: `${bin}:${process.env.PATH}`, KUBECONFIG: kubeconfig, HOME: directory };
  }

  /** The API server of a context, asked without a process of its own: for those who look again and again. */
  client(context?: string): KubeClient {
    return new KubeClient(loadKubeContext(context === undefined ? {} : { context }, this.env));
  }

  /** Runs the real kubectl; `kubectl mcm` is our plugin. */
  async kubectl(args: readonly string[], options?: RunOptions): Promise<Outcome> {
    return await run(...guarded('kubectl', args), this.#here(options));
  }

  /** The same, for what must succeed: its stdout. */
  async mustKubectl(args: readonly string[], options?: RunOptions): Promise<string> {
    return await mustRun(...guarded('kubectl', args), this.#here(options));
  }

  /** Runs our plugin by what kubectl replaces itself with, which takes two thirds of the time of `kubectl mcm`. */
  async mcm(args: readonly string[], options?: RunOptions): Promise<Outcome> {
    return await run(...guarded('kubectl-mcm', args), this.#here(options));
  }

  /** The same, for what must succeed: its stdout. */
  async mustMcm(args: readonly string[], options?: RunOptions): Promise<string> {
    return await mustRun(...guarded('kubectl-mcm', args), this.#here(options));
  }

  #here(options: RunOptions = {}): RunOptions {
    return { cwd: this.directory, ...options, env: { ...this.env, ...options.env } };
  }

  /**
   * Starts a manager as its ServiceAccount and with nothing else, and waits until it is ready. `install management` has
   * been run before.
   */
  async startManager(options: ManagerOptions = {}): Promise<ServerProcess> {
    const { ports = this.facts.managerPorts, elasticsearchUrl = this.facts.elasticsearchUrl } = options;
    const { readyPath = '/readyz', apiserverUrl: url = this.facts.management.url, flags = [] } = options;
    const token = await this.mustKubectl(['create', 'token', 'manager', '-n', 'kubectl-mcm', '--duration=24h']);
    const kubeconfig = join(this.directory, `manager-${ports.clusters}.kubeconfig`);
    writeKubeconfig(kubeconfig, [tokenContext({ ...this.facts.management, url }, token.trim())]);
    const manager = new ServerProcess(
      'manager',
      process.execPath,
      [
        join(PROJECT, 'bin', 'kubectl-mcm'),
        'manager',
        `--kubeconfig=${kubeconfig}`,
        `--elasticsearch=${elasticsearchUrl}`,
        `--listen=${LOOPBACK}:${ports.clusters}`,
        `--api-listen=${LOOPBACK}:${ports.api}`,
        `--health-listen=${LOOPBACK}:${ports.health}`,
        ...flags,
      ],
      { logFile: join(this.directory, `manager-${ports.clusters}.log`), env: { ...this.env, ...options.env } },
    );
    await manager.untilReady(async () => (await fetch(`http://${LOOPBACK}:${ports.health}${readyPath}`)).ok);
    return manager;
  }

  /** Starts an agent for a managed cluster, by the manifest that add-cluster wrote. It connects by itself. */
  startAgent({ context, manifest, logName, flags = [], env = {} }: AgentOptions): ServerProcess {
    const command = [join(PROJECT, 'bin', 'kubectl-mcm'), 'agent', '--context', context, '--credentials', manifest];
    const logFile = join(this.directory, `agent-${logName}.log`);
    return new ServerProcess('agent', process.execPath, [...command, ...flags], {
      logFile,
      env: { ...this.env, ...env },
    });
  }

  /** Gives a cluster what tigera-operator and Calico bring. */
  async installCalico(context: string): Promise<void> {
    const apply = async (items: readonly object[]) => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
      await this.mustKubectl(['--context', context, 'apply', '-f', '-'], { input });
    };
    await apply(CALICO_RESOURCES);
    await this.untilEstablished(CALICO_RESOURCES, context);
    await apply(CALICO_OBJECTS);
  }

  /** Waits until the kinds among these objects can be used; kubectl's own wait fails where they have no status yet. */
  async untilEstablished(objects: readonly KubeObject[], context?: string): Promise<void> {
    const client = this.client(context);
    const signal = AbortSignal.timeout(60_000);
    const definitions = objects.filter(({ kind }) => kind === 'CustomResourceDefinition');
    for (const definition of definitions) await untilEstablished(client, definition, signal);
  }
}

/**
 * Real servers on loopback, in a folder of their own: a management cluster, managed clusters with what tigera-operator
 * brings, and Elasticsearch. The demo and the tests do the rest by `kubectl mcm` itself.
 */
export class Testbed extends Workbench {
  readonly #servers: { stop(): Promise<void> }[];

  private constructor(facts: TestbedFacts, servers: readonly { stop(): Promise<void> }[]) {
    super(facts);
    this.#servers = [...servers];
  }

  /**
   * Starts everything side by side. Building what is not cached can take minutes; `progress` is told. When it fails, or
   * `stop` has aborted by the time everything runs, nothing is left of it.
   */
  static async start(
    managedNames: readonly string[],
    progress: (text: string) => void,
    stop?: AbortSignal,
  ): Promise<Testbed> {
    const binaries = await kubernetesBinaries(progress);
    const directory = mkdtempSync(join(tmpdir(), 'kubectl-mcm-'));
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    symlinkSync(binaries.kubectl, join(bin, 'kubectl'));
    for (const name of ['kubectl-mcm', 'kubectl_complete-mcm']) {
      symlinkSync(join(PROJECT, 'bin', name), join(bin, name));
    }
    symlinkSync(process.execPath, join(bin, 'node'));
    const starting = [
      Elasticsearch.start(join(directory, 'elasticsearch'), progress),
      ...['management', ...managedNames].map((name) => Cluster.start(name, join(directory, name), binaries)),
    ] as const;
    const outcomes = await Promise.allSettled(starting);
    const servers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined || stop?.aborted === true) {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(directory, { recursive: true, force: true });
      throw failure?.reason ?? stop?.reason;
    }
    const [elasticsearch, ...clusters] = (await Promise.all(starting)) as [Elasticsearch, ...Cluster[]];
    const [management, ...managed] = clusters.map(({ facts }) => facts) as [ClusterFacts, ...ClusterFacts[]];
    const [clustersPort = 0, api = 0, health = 0] = await freePorts(3);
    const contexts = await Promise.all([management, ...managed].map((cluster) => certificateContext(cluster)));
    const facts = {
      directory,
      management,
      managed,
      elasticsearchUrl: elasticsearch.url,
      managerPorts: { clusters: clustersPort, api, health },
      kubeconfig: writeKubeconfig(join(directory, 'kubeconfig'), contexts),
      bin,
    };
    const testbed = new Testbed(facts, servers);
    await Promise.all(managed.map(({ name }) => testbed.installCalico(name)));
    return testbed;
  }

  /** Also stops with the testbed. */
  override async startManager(options: ManagerOptions = {}): Promise<ServerProcess> {
    const manager = await super.startManager(options);
    this.#servers.push(manager);
    return manager;
  }

  /** Also stops with the testbed. */
  override startAgent(options: AgentOptions): ServerProcess {
    const agent = super.startAgent(options);
    this.#servers.push(agent);
    return agent;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}
