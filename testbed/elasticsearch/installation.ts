import { mkdirSync, readdirSync, readFileSync, realpathSync, renameSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { cached } from '../cache.ts';
import { mustRun, run } from '../processes.ts';

const OLDEST_JAVA = 21;

/** The versions that are tried, the newest of each major version that we say we work with. */
export const ELASTICSEARCH_VERSIONS = { 8: '8.19.5', 9: '9.5.3' } as const;
export type ElasticsearchMajor = keyof typeof ELASTICSEARCH_VERSIONS;

const JVMS = '/usr/lib/jvm';
/** What starts it. A JVM archives the classes of jars, and none of folders. */
export const STARTER = 'start.jar';
const MODULE = 'transport-netty4';
/** Jars that the server itself does not have: they are the HTTP transport's, which loads its own. */
const MODULE_JARS = /^(netty-|transport-netty4-|elasticsearch-ssl-config-)/;

/** Elasticsearch's server and HTTP transport run as modules, and one package of the server is not exported. */
export const MODULE_FLAGS = [
  '--add-modules=ALL-MODULE-PATH',
  '--add-exports=org.elasticsearch.server/org.elasticsearch.env=ALL-UNNAMED',
];

export interface Jdk {
  readonly home: string;
  readonly version: number;
  /** What it says of itself. */
  readonly release: string;
}

export interface Installation {
  readonly java: Jdk;
  /** Its folder: `lib`, `modules`, and what starts it. */
  readonly home: string;
}

/** Fetches it, once on this machine. */
export async function installElasticsearch(
  major: ElasticsearchMajor,
  progress: (text: string) => void,
): Promise<Installation> {
  const java = findJava();
  const version = ELASTICSEARCH_VERSIONS[major];
  const folder = import.meta.dirname;
  const inputs = ['pom.xml', 'StartElasticsearch.java'].map((file) => readFileSync(join(folder, file)));
  const home = await cached('elasticsearch', [...inputs, version, STARTER], async (home) => {
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
    const jar = join(java.home, 'bin', 'jar');
    await mustRun(jar, ['-xf', join(module, transport), `META-INF/es-plugins/${MODULE}`], {
      cwd: home,
    });
    const plugin = join(home, 'META-INF', 'es-plugins', MODULE);
    for (const file of readdirSync(plugin)) renameSync(join(plugin, file), join(module, file));
    const source = join(folder, 'StartElasticsearch.java');
    const classes = join(home, 'classes');
    await mustRun(join(java.home, 'bin', 'javac'), ['-p', library, ...MODULE_FLAGS, '-d', classes, source]);
    await mustRun(jar, ['-cf', join(home, STARTER), '-C', classes, '.']);
  });
  return { java, home };
}

/** Where JDKs are: JAVA_HOME, those installed by the system, the one on the PATH. */
function javaHomes(): string[] {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, '..'));
  const installed = safeReaddir(JVMS).map((name) => join(JVMS, name));
  return [process.env.JAVA_HOME ?? '', ...installed, ...onPath].filter((home) => home !== '');
}

/** The first JDK new enough for Elasticsearch 9. @throws Error that names what to install */
export function findJava(homes: readonly string[] = javaHomes()): Jdk {
  const found = homes.map(jdkAt).find((jdk) => jdk !== undefined && jdk.version >= OLDEST_JAVA);
  if (found !== undefined) return found;
  throw new Error(
    `A JDK is missing: install JDK ${OLDEST_JAVA} or newer, or set JAVA_HOME to one (it runs Elasticsearch)`,
  );
}

/** By its own words: to ask its compiler takes as long as a JVM takes to start. */
function jdkAt(folder: string): Jdk | undefined {
  try {
    const home = dirname(dirname(realpathSync(join(folder, 'bin', 'javac'))));
    const release = readFileSync(join(home, 'release'), 'utf8');
    return { home, release, version: Number(/^JAVA_VERSION="(\d+)/m.exec(release)?.[1] ?? 0) };
  } catch {
    return undefined;
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
