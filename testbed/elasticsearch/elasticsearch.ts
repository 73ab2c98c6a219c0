import { accessSync, constants, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cached } from '../cache.ts';
import { freePorts, mustRun, run, ServerProcess } from '../processes.ts';

const OLDEST_JAVA = 21;
const HEAP = '512m';

/** The versions that are tried, the newest of each major version that we say we work with. */
export const ELASTICSEARCH_VERSIONS = { 8: '8.19.5', 9: '9.5.3' } as const;
export type ElasticsearchMajor = keyof typeof ELASTICSEARCH_VERSIONS;

const JVMS = '/usr/lib/jvm';
const MODULE = 'transport-netty4';
/** Jars that the server itself does not have: they are the HTTP transport's, which loads its own. */
const MODULE_JARS = /^(netty-|transport-netty4-|elasticsearch-ssl-config-)/;

/** Elasticsearch's server and HTTP transport run as modules, and one package of the server is not exported. */
const MODULE_FLAGS = [
  '--add-modules=ALL-MODULE-PATH',
  '--add-exports=org.elasticsearch.server/org.elasticsearch.env=ALL-UNNAMED',
];

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
    await this.request('POST', `/${pattern}/_refresh?ignore_unavailable=true`);
    const path = `/${pattern}/_count?ignore_unavailable=true`;
    const { count } = (await this.request('POST', path, { query })) as { count: number };
    return count;
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
    options: {
      readonly port?: number;
      readonly settings?: readonly string[];
      readonly major?: ElasticsearchMajor;
    } = {},
  ): Promise<Elasticsearch> {
    const java = await findJava();
    const home = await install(java, options.major ?? 9, progress);
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
    const flags = [
      `-Xms${HEAP}`,
      `-Xmx${HEAP}`,
      '-p',
      join(home, 'lib'),
      ...MODULE_FLAGS,
      '--enable-native-access=ALL-UNNAMED',
    ];
    const server = new ServerProcess(
      'Elasticsearch',
      join(java, 'bin', 'java'),
      [...flags, '-cp', join(home, 'classes'), 'StartElasticsearch', join(home, 'modules'), ...settings],
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

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#process.stop(signal);
  }
}

async function install(java: string, major: ElasticsearchMajor, progress: (text: string) => void): Promise<string> {
  const version = ELASTICSEARCH_VERSIONS[major];
  const folder = import.meta.dirname;
  const inputs = ['pom.xml', 'StartElasticsearch.java'].map((file) => readFileSync(join(folder, file)));
  return await cached('elasticsearch', [...inputs, Buffer.from(version)], async (home) => {
    progress('Fetching Elasticsearch: some seconds, once on this machine');
    const library = join(home, 'lib');
    const module = join(home, 'modules', MODULE);
    mkdirSync(module, { recursive: true });
    const maven = await findMaven(progress);
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
    await mustRun(maven, [
      '--batch-mode',
      '--quiet',
      '-f',
      join(folder, 'pom.xml'),
      copy,
      `-Delasticsearch.version=${version}`,
      `-DoutputDirectory=${library}`,
    ]);
    for (const jar of readdirSync(library))
      if (MODULE_JARS.test(jar)) renameSync(join(library, jar), join(module, jar));
    const transport = readdirSync(module).find((jar) => jar.startsWith(`${MODULE}-`)) ?? '';
    await mustRun(join(java, 'bin', 'jar'), ['-xf', join(module, transport), `META-INF/es-plugins/${MODULE}`], {
      cwd: home,
    });
    const plugin = join(home, 'META-INF', 'es-plugins', MODULE);
    for (const file of readdirSync(plugin)) renameSync(join(plugin, file), join(module, file));
    const source = join(folder, 'StartElasticsearch.java');
    await mustRun(join(java, 'bin', 'javac'), ['-p', library, ...MODULE_FLAGS, '-d', join(home, 'classes'), source]);
  });
}

/** Where JDKs are: JAVA_HOME, those installed by the system, the one on the PATH. */
function javaHomes(): string[] {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, '..'));
  const installed = safeReaddir(JVMS).map((name) => join(JVMS, name));
  return [process.env.JAVA_HOME ?? '', ...installed, ...onPath].filter((home) => home !== '');
}

/** The first JDK new enough for Elasticsearch 9. @throws Error that names what to install */
export async function findJava(homes: readonly string[] = javaHomes()): Promise<string> {
  for (const home of homes.filter(hasCompiler)) {
    const { stdout } = await run(join(home, 'bin', 'javac'), ['--version']);
    if (Number(/javac (\d+)/.exec(stdout)?.[1] ?? 0) >= OLDEST_JAVA) return home;
  }
  throw new Error(
    `A JDK is missing: install JDK ${OLDEST_JAVA} or newer, or set JAVA_HOME to one (it runs Elasticsearch)`,
  );
}

function hasCompiler(home: string): boolean {
  try {
    accessSync(join(home, 'bin', 'javac'), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function safeReaddir(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function findMaven(progress: (text: string) => void): Promise<string> {
  const found = async () => (await run('mvn', ['--version']).catch(() => undefined))?.code === 0;
  if (await found()) return 'mvn';
  progress('Installing Maven (it fetches Elasticsearch)');
  await run('apt-get', ['install', '--yes', '--no-install-recommends', 'maven']).catch(() => undefined);
  if (await found()) return 'mvn';
  throw new Error('Maven is missing: install maven (it fetches Elasticsearch)');
}
