import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../../testbed/cache.ts';
import { mustRun } from '../../testbed/processes.ts';

/** Debian's packages, with what they need and a small system does not have. */
const PACKAGES = [
  ...['rsyslog', 'rsyslog-elasticsearch', 'libestr0', 'libfastjson4', 'liblognorm5'],
  ...[
    'syslog-ng-core',
    'syslog-ng-scl',
    'syslog-ng-mod-http',
    'libpcre3',
    'libivykis0',
    'libjson-c5',
    'libnet1',
    'libwrap0',
  ],
];

export interface PeerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** What a peer gets: the file, the sink's port and a folder for its configuration and state. */
export interface PeerJob {
  readonly file: string;
  readonly port: number;
  readonly folder: string;
}

/** rsyslog and syslog-ng as Debian has them: unpacked into a folder of ours, nothing is installed or started by itself. */
export class Peers {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  static async prepare(): Promise<Peers> {
    const root = await cached('bench-forwarder-peers', PACKAGES, async (folder) => {
      await mustRun('apt-get', ['download', ...PACKAGES], { cwd: folder });
      for (const file of globSync('*.deb', { cwd: folder })) await mustRun('dpkg', ['-x', file, '.'], { cwd: folder });
    });
    return new Peers(root);
  }

  /**
   * The driver that its documentation has for Elasticsearch, with what it says makes it fast and keeps every line once:
   * lines are not parsed, two workers, batches of 4,000 lines, flow control with the window that these need, and ids of
   * its own, so that a batch that is sent again is not stored twice.
   */
  syslogNg({ file, port, folder }: PeerJob): PeerCommand {
    const config = join(folder, 'syslog-ng.conf');
    writeFileSync(
      config,
      `@version: 3.38
@define scl-root "${join(this.#root, 'usr/share/syslog-ng/include/scl')}"
@include "\`scl-root\`/elasticsearch/elastic-http.conf"
options { stats-freq(0); log-msg-size(1048576); use-uniqid(yes); };
source flows { file("${file}" follow-freq(0.1) flags(no-parse) log-fetch-limit(1000) log-iw-size(20000)); };
destination sink { elasticsearch-http(
  url("http://127.0.0.1:${port}/_bulk") index("flows") type("") custom-id("\${UNIQID}") template("\${MESSAGE}")
  workers(2) batch-lines(4000) batch-bytes(5242880) batch-timeout(1000) timeout(60) time-reopen(1)
); };
log { source(flows); destination(sink); flags(flow-control); };
`,
    );
    const state = ['-R', join(folder, 'persist'), '-p', join(folder, 'pid'), '-c', join(folder, 'control')];
    const modules = globSync(join(this.#root, 'usr/lib/syslog-ng/*.*/'))[0] ?? '';
    return this.#command('syslog-ng', ['-F', '--no-caps', `--module-path=${modules}`, '-f', config, ...state]);
  }

  /**
   * What its documentation has for Elasticsearch without loss: lines as they are, a queue in memory that goes to disk
   * when it is full or ends, ids, items that failed sent again, batches of 4,000 lines, its place saved every 5,000.
   */
  rsyslog({ file, port, folder }: PeerJob): PeerCommand {
    const config = join(folder, 'rsyslog.conf');
    writeFileSync(
      config,
      `global(workDirectory="${folder}" maxMessageSize="1m" parser.escapeControlCharactersOnReceive="off")
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
template(name="line" type="string" string="%msg%")
template(name="id" type="string" string="%$.omes!_id%")
ruleset(name="ship" queue.type="LinkedList" queue.filename="ship" queue.maxDiskSpace="2g" queue.saveOnShutdown="on"
    queue.size="50000" queue.dequeueBatchSize="4000" queue.workerThreads="1" queue.timeoutEnqueue="600000") {
  if strlen($.omes!status) == 0 then { set $.omes!_id = $uuid; }
  action(type="omelasticsearch" server="127.0.0.1" serverport="${port}" template="line" searchIndex="flows" searchType=""
    bulkmode="on" maxbytes="5m" writeoperation="create" bulkid="id" dynbulkid="on" retryfailures="on" retryruleset="ship"
    action.resumeRetryCount="-1" action.resumeInterval="1")
}
input(type="imfile" File="${file}" Tag="flows" Ruleset="ship" PersistStateInterval="5000")
`,
    );
    const modules = join(this.#root, 'usr/lib/x86_64-linux-gnu/rsyslog');
    return this.#command('rsyslogd', ['-n', `-M${modules}`, '-f', config, '-i', join(folder, 'pid')]);
  }

  #command(name: string, args: readonly string[]): PeerCommand {
    const libraries = globSync(['usr/lib/*-linux-gnu', 'lib/*-linux-gnu', 'usr/lib/syslog-ng'], { cwd: this.#root });
    const path = libraries.map((folder) => join(this.#root, folder)).join(':');
    return { command: join(this.#root, 'usr/sbin', name), args, env: { ...process.env, LD_LIBRARY_PATH: path } };
  }
}
