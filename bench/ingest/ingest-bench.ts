import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readForwarderCredentials } from '../../src/clusters/forwarder-credentials.ts';
import { eventually, post } from '../../test/harness.ts';
import { freePorts, type ServerProcess } from '../../testbed/processes.ts';
import { Testbed } from '../../testbed/testbed.ts';
import { cpuSecondsOf, Program } from '../program.ts';
import { CLUSTER } from './material.ts';

/** A manager with a spool. */
export class SpoolingManager {
  /** `HOST:PORT` for clusters. */
  readonly address: string;
  readonly #process: ServerProcess;
  readonly #healthPort: number;

  constructor(server: ServerProcess, address: string, healthPort: number) {
    this.#process = server;
    this.address = address;
    this.#healthPort = healthPort;
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.#process.pid);
  }

  /** Records that were spooled so far. */
  async spooled(): Promise<number> {
    return await this.#sum('kubectl_mcm_spool_spooled_records_total');
  }

  /** Resolves once nothing waits in the spool any more. */
  async drained(): Promise<void> {
    while ((await this.#sum('kubectl_mcm_spool_records')) > 0) await sleep(100);
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** Of a metric's values. */
  async #sum(metric: string): Promise<number> {
    const url = `http://127.0.0.1:${this.#healthPort}/metrics`;
    const text = await (await fetch(url, { headers: { connection: 'close' } })).text();
    const values = [...text.matchAll(new RegExp(`^${metric}\\{.*\\} (\\d+)$`, 'gm'))];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  }
}

/** Real servers, a cluster that is registered, and the programs that send its records. */
export class IngestBench {
  readonly testbed: Testbed;
  readonly #manifest: string;
  readonly #programs: Program[] = [];

  private constructor(testbed: Testbed) {
    this.testbed = testbed;
    this.#manifest = join(testbed.directory, `${CLUSTER}.yaml`);
  }

  static async start(tell: (text: string) => void): Promise<IngestBench> {
    const testbed = await Testbed.start([], tell);
    const bench = new IngestBench(testbed);
    try {
      const { address, apiAddress } = testbed;
      const management = ['--address', address, '--external-manager', apiAddress];
      await testbed.mustKubectl(['mcm', 'install', 'management', ...management]);
      await testbed.mustKubectl(['mcm', 'add-cluster', CLUSTER, '-o', bench.#manifest]);
      return bench;
    } catch (error) {
      await testbed.stop();
      throw error;
    }
  }

  /** One of its own, which knows the cluster. */
  async startManager(elasticsearchUrl: string, spool: string): Promise<SpoolingManager> {
    const [clusters = 0, api = 0, health = 0] = await freePorts(3);
    const server = await this.testbed.startManager({
      ports: { clusters, api, health },
      elasticsearchUrl,
      readyPath: '/livez',
      flags: [`--spool=${spool}`],
    });
    const manager = new SpoolingManager(server, `127.0.0.1:${clusters}`, health);
    const credentials = { ...readForwarderCredentials(this.#manifest), address: manager.address };
    await eventually(async () => (await post(credentials, '/api/v1/flows/logs/bulk', '')).code === 200);
    return manager;
  }

  /** A program of this folder that is ready to send. */
  async program(file: string, flags: readonly string[]): Promise<Program> {
    const program = new Program(process.execPath, [join(import.meta.dirname, file), ...flags]);
    this.#programs.push(program);
    await program.next();
    return program;
  }

  /** One that sends to a manager as the cluster. */
  async sender(file: string, manager: SpoolingManager, flags: readonly string[]): Promise<Program> {
    return await this.program(file, [`--credentials=${this.#manifest}`, `--address=${manager.address}`, ...flags]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    await this.testbed.stop();
  }
}
