import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { Random } from '../fixtures/random.ts';
import { freePorts } from '../testbed/processes.ts';
import { ForwarderProcess } from './forwarder-process.ts';
import { addSender, credentialsFolder, eventually, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const SEED = 20_261_123;
/** Milliseconds in which faults happen. */
const DURATION = 25_000;
const INDEX = 'tigera_secure_ee_flows.faulty.*';
/**
 * A program that writes a log and rotates it in every way there is, and knows every line by its number. It deletes
 * nothing: what is deleted before it is shipped is lost, and how long that takes depends on the machine.
 */
class Writer {
  written = 0;
  rotations = 0;
  readonly #log: string;
  readonly #random: Random;
  readonly #records: Iterator<string>;

  constructor(log: string, random: Random) {
    this.#log = log;
    this.#random = random;
    const now = Date.now();
    this.#records = generateFlows({ seed: SEED, count: 100_000, from: now - 60_000, to: now })[Symbol.iterator]();
  }

  /** Some lines, at times in two pieces. */
  async write(path = this.#log): Promise<void> {
    const lines = Array.from({ length: this.#random.between(1, 40) }, () => this.#line());
    const text = lines.join('');
    const cut = this.#random.chance(0.3) ? this.#random.between(0, text.length) : text.length;
    appendFileSync(path, text.slice(0, cut));
    if (cut < text.length) await sleep(this.#random.between(0, 150));
    appendFileSync(path, text.slice(cut));
  }

  async rotate(): Promise<void> {
    for (let depth = this.rotations++; depth >= 1; depth--) {
      renameSync(`${this.#log}.${depth}`, `${this.#log}.${depth + 1}`);
    }
    if (this.#random.chance(0.5)) {
      copyFileSync(this.#log, `${this.#log}.1`);
      truncateSync(this.#log);
    } else {
      renameSync(this.#log, `${this.#log}.1`);
      // As one that has not noticed yet.
      if (this.#random.chance(0.5)) await this.write(`${this.#log}.1`);
    }
    await this.write();
  }

  #line(): string {
    const record: string = this.#records.next().value;
    return `${record.slice(0, -1)},"line":${this.written++}}\n`;
  }
}

/** The number of every line that is stored, as of one moment. */
async function linesStored(): Promise<readonly number[]> {
  const { elasticsearch } = workbench;
  await elasticsearch.request('POST', `/${INDEX}/_refresh`);
  const { id } = (await elasticsearch.request('POST', `/${INDEX}/_pit?keep_alive=1m`)) as { id: string };
  const numbers: number[] = [];
  let page: readonly { _source: { line: number }; sort: readonly unknown[] }[] = [];
  do {
    const after = page.length === 0 ? {} : { search_after: page.at(-1)?.sort };
    const search = { size: 5_000, _source: ['line'], pit: { id }, sort: [{ _shard_doc: 'asc' }], ...after };
    const answer = (await elasticsearch.request('POST', '/_search', search)) as { hits: { hits: typeof page } };
    page = answer.hits.hits;
    numbers.push(...page.map(({ _source }) => _source.line));
  } while (page.length > 0);
  return numbers.sort((a, b) => a - b);
}

describe('a seeded run of faults', () => {
  it('loses nothing and repeats nothing', async () => {
    const random = new Random(SEED);
    const [clusters = 0, api = 0, health = 0] = await freePorts(3);
    const startManager = () => workbench.startManager({ ports: { clusters, api, health } });
    let manager = await startManager();
    const sender = await addSender(workbench, 'faulty');
    const credentials = credentialsFolder(sender.folder, sender.credentials, { address: `127.0.0.1:${clusters}` });
    const log = join(sender.folder, 'flows.log');
    writeFileSync(log, '');
    const args = ['--credentials', credentials, '--state', join(sender.folder, 'state'), '--host', 'node-1'];
    const start = () => new ForwarderProcess(workbench, [...args, '--flow', `${log}*`, '--chunk-bytes', '65536']);
    const trouble: string[] = [];
    let forwarder = start();
    let [kills, outages] = [0, 0];
    const writer = new Writer(log, random);

    const faults: Record<string, () => Promise<void>> = {
      kill: async () => {
        await forwarder.end('SIGKILL');
        trouble.push(...forwarder.trouble);
        kills++;
        await sleep(random.between(0, 500));
        forwarder = start();
      },
      outage: async () => {
        await manager.stop(random.chance(0.5) ? 'SIGKILL' : 'SIGTERM');
        outages++;
        await sleep(random.between(0, 1_500));
        manager = await startManager();
      },
    };
    const end = performance.now() + DURATION;
    const wreak = async () => {
      while (performance.now() < end) {
        await sleep(random.between(500, 2_500));
        await faults[random.pick(['kill', 'kill', 'outage'])]?.();
      }
    };
    const write = async () => {
      let calm = 0;
      while (performance.now() < end) {
        await writer.write();
        await sleep(random.between(0, 100));
        if (++calm > 60 && random.chance(0.1)) {
          await writer.rotate();
          calm = 0;
        }
      }
    };
    try {
      await Promise.all([wreak(), write()]);
      const all = async () => (await workbench.elasticsearch.count(INDEX)) >= writer.written;
      // As long as it takes where the machine has other things to do; it is seconds otherwise.
      await eventually(all, 240_000).catch(() => undefined);
      const stored = await linesStored();
      trouble.push(...forwarder.trouble);
      const missing = Array.from({ length: writer.written }, (_, line) => line).filter(
        (line) => !stored.includes(line),
      );
      const repeated = stored.filter((line, at) => line === stored[at - 1]);
      assert.deepEqual({ missing, repeated }, { missing: [], repeated: [] }, trouble.join('\n'));
      assert.ok(kills >= 2 && outages >= 1 && writer.rotations >= 3, `${kills} ${outages} ${writer.rotations}`);
      assert.equal((await forwarder.end()).code, 0);
    } finally {
      await forwarder.end('SIGKILL').catch(() => undefined);
      await manager.stop();
    }
  });
});
