import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import { Elasticsearch } from '../testbed/elasticsearch/elasticsearch.ts';
import { freePorts, type ServerProcess } from '../testbed/processes.ts';
import type { ManagerPorts, Workbench } from '../testbed/testbed.ts';
import { addSender, eventually, type HttpAnswer, newFolder, post } from './harness.ts';
import { StallingProxy } from './stalling-proxy.ts';

export const FLOWS = '/api/v1/flows/logs/bulk';

/** Uploads of one cluster, as a shipper makes them that says where its lines stand. */
export class Uploads {
  readonly cluster: string;
  readonly #credentials: ForwarderCredentials;
  readonly #time = Date.now();
  #offset = 0;
  /** How many records were answered 200. */
  sent = 0;

  constructor(cluster: string, credentials: ForwarderCredentials) {
    this.cluster = cluster;
    this.#credentials = credentials;
  }

  /** Posts so many records, padded to some size; `n` goes on counting. */
  async post(count: number, options: { path?: string; padding?: number; time?: number } = {}): Promise<HttpAnswer> {
    const { path = FLOWS, padding = 0, time = this.#time } = options;
    const end = Math.floor(time / 1000);
    const line = (n: number) => `{"end_time":${end},"n":${n},"padding":"${'x'.repeat(padding)}"}\n`;
    const body = Array.from({ length: count }, (_, at) => line(this.sent + at)).join('');
    const answer = await post(this.#credentials, path, body, {
      headers: {
        'kubectl-mcm-host': 'node-1',
        'kubectl-mcm-file-key': '0'.repeat(32),
        'kubectl-mcm-offset': String(this.#offset),
      },
    });
    if (answer.code === 200) {
      this.sent += count;
      this.#offset += body.length;
    }
    return answer;
  }
}

/** A second manager of the same management cluster, with a spool and an Elasticsearch of its own. */
export class SpoolingManager {
  readonly directory: string;
  readonly #workbench: Workbench;
  readonly #folder: string;
  readonly #ports: ManagerPorts;
  readonly #elasticsearchPort: number;
  readonly #proxy: StallingProxy;
  #elasticsearch: Elasticsearch | undefined;
  #manager: ServerProcess | undefined;

  private constructor(workbench: Workbench, ports: ManagerPorts, elasticsearchPort: number, proxy: StallingProxy) {
    this.#workbench = workbench;
    this.#folder = newFolder(workbench, 'spool');
    this.directory = join(this.#folder, 'spool');
    this.#ports = ports;
    this.#elasticsearchPort = elasticsearchPort;
    this.#proxy = proxy;
  }

  /**
   * `ports` are where it is looked for, if it is somebody's only manager; `front` starts a server before an Elasticsearch
   * at a port, and says at which port that is.
   */
  static async start(
    workbench: Workbench,
    options: {
      readonly ports?: ManagerPorts;
      readonly front?: (elasticsearchPort: number) => Promise<number>;
    } = {},
  ): Promise<SpoolingManager> {
    const [clusters = 0, api = 0, health = 0, port = 0] = await freePorts(4);
    const { ports = { clusters, api, health }, front = async () => port } = options;
    const spooling = new SpoolingManager(workbench, ports, port, await StallingProxy.start(await front(port)));
    try {
      await spooling.startElasticsearch();
      await spooling.startManager();
      return spooling;
    } catch (error) {
      await spooling.stop();
      throw error;
    }
  }

  get elasticsearch(): Elasticsearch {
    if (this.#elasticsearch === undefined) throw new Error('not started');
    return this.#elasticsearch;
  }

  get manager(): ServerProcess {
    if (this.#manager === undefined) throw new Error('not started');
    return this.#manager;
  }

  async startElasticsearch(): Promise<void> {
    const directory = join(this.#folder, 'elasticsearch');
    this.#elasticsearch = await Elasticsearch.start(directory, () => undefined, { port: this.#elasticsearchPort });
  }

  async startManager(flags: readonly string[] = this.spoolFlags): Promise<void> {
    this.#manager = await this.#workbench.startManager({
      ports: this.#ports,
      elasticsearchUrl: `http://${this.#proxy.address}`,
      flags,
    });
  }

  get spoolFlags(): readonly string[] {
    return [`--spool=${this.directory}`, '--spool-size=64Mi'];
  }

  async stop(): Promise<void> {
    await this.#manager?.stop();
    await this.#elasticsearch?.stop('SIGKILL');
    this.#proxy.stop();
  }

  /** Elasticsearch answers nobody meanwhile. */
  async withoutStore(work: () => Promise<unknown>): Promise<void> {
    this.#proxy.stall(true);
    await work().finally(() => this.#proxy.stall(false));
  }

  /** Registers a cluster, and forwarder credentials for this manager. */
  async credentialsOf(cluster: string): Promise<ForwarderCredentials> {
    const { credentials } = await addSender(this.#workbench, cluster);
    const own = { ...credentials, address: `127.0.0.1:${this.#ports.clusters}` };
    await eventually(async () => (await post(own, FLOWS, '')).code === 200);
    return own;
  }

  async uploadsOf(cluster: string): Promise<Uploads> {
    return new Uploads(cluster, await this.credentialsOf(cluster));
  }

  async health(path: string): Promise<string> {
    const url = `http://127.0.0.1:${this.#ports.health}${path}`;
    return await (await fetch(url, { headers: { connection: 'close' } })).text();
  }

  /** A gauge of a backlog; 0 where nothing waits. */
  async waiting(name: string, cluster: string, type = 'flows'): Promise<number> {
    const line = new RegExp(`^kubectl_mcm_spool_${name}\\{cluster="${cluster}",type="${type}"\\} (\\S+)$`, 'm');
    return Number(line.exec(await this.health('/metrics'))?.[1] ?? 0);
  }

  async drained(cluster: string): Promise<void> {
    await eventually(async () => (await this.waiting('records', cluster)) === 0, 120_000);
  }

  segments(): string[] {
    return readdirSync(this.directory).filter((name) => name.endsWith('.frames'));
  }

  /** Records of a cluster, in the order in which they were written; at most 10,000. */
  async stored(cluster: string): Promise<readonly StoredNumber[]> {
    const { hits } = (await this.elasticsearch.request('POST', `/${indexOf('flows', cluster)}/_search`, {
      size: 10_000,
      sort: ['ingested'],
      _source: ['n', 'ingested'],
    })) as { hits: { hits: readonly { readonly _source: StoredNumber }[] } };
    return hits.hits.map(({ _source }) => _source);
  }
}

interface StoredNumber {
  readonly n: number;
  /** Milliseconds since 1970. */
  readonly ingested: number;
}

export function indexOf(type: string, cluster: string): string {
  return `tigera_secure_ee_${type}.${cluster}.*`;
}
