import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../fixtures/random.ts';
import type { ForwarderCredentials } from '../../src/clusters/forwarder-credentials.ts';
import { post } from '../../test/harness.ts';
import { FLOWS, indexOf, SpoolingManager } from '../../test/spooling-manager.ts';
import { mustRun } from '../../testbed/processes.ts';
import type { Workbench } from '../../testbed/testbed.ts';
import { atLeast, exactly, type Finding, told } from './finding.ts';

export interface IngestSoakOptions {
  readonly workbench: Workbench;
  /** Of the names of the clusters that are registered for it. */
  readonly prefix: string;
  readonly clusters: number;
  /** How long things go wrong. */
  readonly seconds: number;
  readonly seed: number;
  readonly tell: (text: string) => void;
}

/**
 * Senders that send again what was not answered 200, to a manager with a spool, while it and its Elasticsearch are killed,
 * stop answering and find the disk full. Resolves with what was counted: each record must be stored exactly once, or be a
 * dead letter.
 */
export async function soakIngest(options: IngestSoakOptions): Promise<Finding[]> {
  const { workbench, prefix, clusters, seconds, seed, tell } = options;
  const random = new Random(seed);
  const spooling = await SpoolingManager.start(workbench);
  try {
    const senders: SteadySender[] = [];
    for (let n = 1; n <= clusters; n++) {
      const cluster = `${prefix}-${n}`;
      senders.push(new SteadySender(cluster, await spooling.credentialsOf(cluster), new Random(seed + n)));
    }
    const end = performance.now() + seconds * 1000;
    const sending = Promise.all(senders.map((sender) => sender.run(end)));
    const faults = await disturb(spooling, random, end, tell);
    await sending;
    tell('no more faults');
    for (const { cluster } of senders) await spooling.drained(cluster);
    const findings: Finding[] = [
      told('seed', seed),
      told(
        'records',
        sum(senders, ({ good }) => good),
      ),
    ];
    const [stored, letters] = [await counted(spooling, senders, 'good'), await counted(spooling, senders, 'bad')];
    return [
      ...findings,
      exactly('records that are not stored', stored.missing, 0),
      exactly('records that are stored twice', stored.surplus, 0),
      exactly('dead letters that are missing', letters.missing, 0),
      exactly('dead letters that are there twice', letters.surplus, 0),
      atLeast(
        'uploads that had to be sent again',
        sum(senders, ({ repeated }) => repeated),
        1,
      ),
      exactly(
        'answers other than 200 and 503',
        sum(senders, ({ strange }) => strange),
        0,
      ),
      ...[...faults].map(([kind, count]) => atLeast(kind, count, 1)),
    ];
  } finally {
    await spooling.stop();
  }
}

/** Sends lines of one file, in order, as fast as they are taken. */
class SteadySender {
  readonly cluster: string;
  /** Lines that were acknowledged: records, and what is none. */
  good = 0;
  bad = 0;
  repeated = 0;
  strange = 0;
  readonly #credentials: ForwarderCredentials;
  readonly #random: Random;
  #offset = 0;

  constructor(cluster: string, credentials: ForwarderCredentials, random: Random) {
    this.cluster = cluster;
    this.#credentials = credentials;
    this.#random = random;
  }

  async run(end: number): Promise<void> {
    while (performance.now() < end) {
      const lines = Array.from({ length: this.#random.between(1, 300) }, () => this.#line());
      const body = `${lines.map(({ text }) => text).join('\n')}\n`;
      await this.#deliver(body);
      this.#offset += body.length;
      for (const { isGood } of lines) isGood ? this.good++ : this.bad++;
      await sleep(this.#random.between(0, 100));
    }
  }

  #line(): { readonly text: string; readonly isGood: boolean } {
    const time = Math.floor(Date.now() / 1000);
    if (this.#random.chance(0.01)) return { text: 'no JSON', isGood: false };
    // This one only Elasticsearch can tell.
    if (this.#random.chance(0.01)) return { text: `{"end_time":${time},"bytes_in":"many"}`, isGood: false };
    return { text: `{"end_time":${time},"padding":"${'x'.repeat(this.#random.between(1, 1_000))}"}`, isGood: true };
  }

  async #deliver(body: string): Promise<void> {
    const headers = {
      'kubectl-mcm-host': 'node-1',
      'kubectl-mcm-file-key': '0'.repeat(32),
      'kubectl-mcm-offset': String(this.#offset),
    };
    for (;;) {
      const code = await post(this.#credentials, FLOWS, body, { headers }).then(
        (answer) => answer.code,
        () => undefined,
      );
      if (code === 200) return;
      if (code !== undefined && code !== 503) this.strange++;
      this.repeated++;
      await sleep(this.#random.between(50, 500));
    }
  }
}

/** Lets things go wrong one after the other; resolves with how often each did. All is well again at the end. */
async function disturb(
  spooling: SpoolingManager,
  random: Random,
  end: number,
  tell: (text: string) => void,
): Promise<ReadonlyMap<string, number>> {
  const pause = () => sleep(random.between(1_000, 6_000));
  const diskFull = async (work: () => Promise<unknown>) => {
    const limit = (bytes: string) => mustRun('prlimit', [`--pid=${spooling.manager.pid}`, `--fsize=${bytes}:`]);
    await limit('65536');
    await work();
    await limit('unlimited');
  };
  const killManager = async () => {
    await spooling.manager.stop('SIGKILL');
    await sleep(random.between(0, 1_000));
    await spooling.startManager();
  };
  const killStore = async () => {
    await spooling.elasticsearch.stop('SIGKILL');
    await pause();
    await spooling.startElasticsearch();
  };
  const faults: Readonly<Record<string, () => Promise<unknown>>> = {
    'manager killed': killManager,
    'Elasticsearch stalled': () => spooling.withoutStore(pause),
    'manager killed without Elasticsearch': () =>
      spooling.withoutStore(async () => {
        await pause();
        await killManager();
        await pause();
      }),
    'disk full without Elasticsearch': () =>
      spooling.withoutStore(async () => {
        await pause();
        await diskFull(pause);
      }),
    'Elasticsearch killed': killStore,
  };
  const counts = new Map(Object.keys(faults).map((kind) => [kind, 0]));
  // Each kind in turn, from a random one on: all of them also in a short run.
  const kinds = Object.keys(faults);
  const first = random.between(0, kinds.length - 1);
  for (let n = first; n < first + kinds.length || performance.now() < end; n++) {
    const kind = kinds[n % kinds.length] as string;
    tell(kind);
    await faults[kind]?.();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    await sleep(random.between(500, 2_000));
  }
  return counts;
}

/** What is stored of all senders' records or dead letters, against what was acknowledged. */
async function counted(spooling: SpoolingManager, senders: readonly SteadySender[], what: 'good' | 'bad') {
  let [missing, surplus] = [0, 0];
  for (const sender of senders) {
    const { cluster } = sender;
    const index = what === 'good' ? indexOf('flows', cluster) : `kubectl_mcm_dead_letters.${cluster}.*`;
    const difference = (await spooling.elasticsearch.count(index)) - sender[what];
    if (difference > 0) surplus += difference;
    else missing -= difference;
  }
  return { missing, surplus };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
