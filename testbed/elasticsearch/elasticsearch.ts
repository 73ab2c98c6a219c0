import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cached } from '../cache.ts';
import { freePorts, ServerProcess } from '../processes.ts';
import {
  type ElasticsearchMajor,
  type Installation,
  installElasticsearch,
  MODULE_FLAGS,
  STARTER,
} from './installation.ts';

const HEAP = '512m';
/** Milliseconds in which there is a shard of a new index. */
const MADE_WITHIN = 30_000;
/** Archive of what a JVM has made of classes. */
const CLASSES = 'classes.jsa';

interface StartOptions {
  readonly port?: number;
  readonly settings?: readonly string[];
}

/** Elasticsearch as a client of its own sees it, past the manager. */
export class ElasticsearchClient {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** Sends a request as any client would; the answer's JSON. @throws Error for an answer that is not 2xx. */
  async request(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text);
  }

  /** Documents in the indices of a pattern (that match a query), counted by Elasticsearch, written ones included. */
  async count(pattern: string, query: object = { match_all: {} }): Promise<number> {
    const path = `/${pattern}/_count?ignore_unavailable=true`;
    const deadline = performance.now() + MADE_WITHIN;
    for (;;) {
      try {
        await this.request('POST', `/${pattern}/_refresh?ignore_unavailable=true`);
        const { count } = (await this.request('POST', path, { query })) as { count: number };
        return count;
      } catch (error) {
        // So it answers while an index is being made.
        if (!/no_shard_available/.test(String(error)) || performance.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }
}

/** A real Elasticsearch node on loopback. */
export class Elasticsearch extends ElasticsearchClient {
  readonly #process: ServerProcess;

  private constructor(url: string, server: ServerProcess) {
    super(url);
    this.#process = server;
  }

  /** Starts a node with its data in `directory` (what is there is kept) and waits until it answers. */
  static async start(
    directory: string,
    progress: (text: string) => void,
    { major = 9, ...options }: StartOptions & { readonly major?: ElasticsearchMajor } = {},
  ): Promise<Elasticsearch> {
    const installation = await installElasticsearch(major, progress);
    const archive = join(await archivedClasses(installation, progress), CLASSES);
    // It starts without them as well.
    const flags = existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`] : [];
    return await Elasticsearch.startInstalled(installation, directory, { ...options, flags });
  }

  /** The same with flags for its JVM. */
  static async startInstalled(
    { java, home }: Installation,
    directory: string,
    { flags, ...options }: StartOptions & { readonly flags: readonly string[] },
  ): Promise<Elasticsearch> {
    const [freePort = 0, transportPort = 0] = await freePorts(2);
    const port = options.port ?? freePort;
    mkdirSync(join(directory, 'config'), { recursive: true });
    const settings = [
      `path.home=${directory}`,
      `path.data=${join(directory, 'data')}`,
      'node.name=testbed',
      'http.host=127.0.0.1',
      `http.port=${port}`,
      'transport.host=127.0.0.1',
      `transport.port=${transportPort}`,
      'discovery.type=single-node',
      // Test machines' disks are often full enough to turn indices read-only.
      'cluster.routing.allocation.disk.threshold_enabled=false',
      ...(options.settings ?? []),
    ];
    const always = [
      `-Xms${HEAP}`,
      `-Xmx${HEAP}`,
      '-p',
      join(home, 'lib'),
      ...MODULE_FLAGS,
      '--enable-native-access=ALL-UNNAMED',
    ];
    const server = new ServerProcess(
      'Elasticsearch',
      join(java.home, 'bin', 'java'),
      [...flags, ...always, '-cp', join(home, STARTER), 'StartElasticsearch', join(home, 'modules'), ...settings],
      { logFile: join(directory, 'elasticsearch.log') },
    );
    const url = `http://127.0.0.1:${port}`;
    try {
      await server.untilReady(async () => (await fetch(`${url}/_cluster/health`)).ok, 120_000);
    } catch (error) {
      await server.stop('SIGKILL');
      throw error;
    }
    return new Elasticsearch(url, server);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM', patience?: number): Promise<void> {
    await this.#process.stop(signal, patience);
  }
}

/**
 * What a JVM has made of the classes of a node, for the next ones to take as it is: they start in two thirds of the time.
 * Made once for each version of both.
 */
async function archivedClasses(installation: Installation, progress: (text: string) => void): Promise<string> {
  const { java, home } = installation;
  return await cached('elasticsearch-classes', [home, java.release], async (folder) => {
    progress('Starting Elasticsearch once for its classes: some seconds, once on this machine');
    const data = join(folder, 'node');
    const flags = [`-XX:ArchiveClassesAtExit=${join(folder, CLASSES)}`];
    const node = await Elasticsearch.startInstalled(installation, data, { flags });
    await node.request('PUT', '/any/_doc/1?refresh=true', { '@timestamp': 1, name: 'any' });
    const aggs = { names: { terms: { field: 'name.keyword' } } };
    await node.request('POST', '/any/_search', { query: { match: { name: 'any' } }, sort: ['@timestamp'], aggs });
    // They are written in the end.
    await node.stop('SIGTERM', 120_000);
    rmSync(data, { recursive: true });
  });
}
