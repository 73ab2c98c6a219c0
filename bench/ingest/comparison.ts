import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ElasticsearchClient } from '../../testbed/elasticsearch/elasticsearch.ts';
import type { Program } from '../program.ts';
import type { IngestBench, SpoolingManager } from './ingest-bench.ts';
import { CLUSTER, type Material } from './material.ts';
import { ROUNDS } from './rounds.ts';

/** What the bare client has under way. Fewer are slower, and more no faster. */
const BULKS_AT_ONCE = 4;
const BULK_BYTES = 2 * 1024 * 1024;

/** Milliseconds in which Elasticsearch comes to rest. */
const REST = 1_500;

/** Stands for the cluster in the name of the index that the bare client writes to: the same template is for both. */
const BARE = 'bare';

/** What one round has cost. */
export interface Cost {
  readonly perSecond: number;
  /** Microseconds of processor time a record: the manager's, or the bare client's. */
  readonly cpu: number;
}

export interface Costs {
  readonly ours: readonly Cost[];
  readonly theirs: readonly Cost[];
}

/** How records get to the manager. */
export interface Sending {
  readonly material: Material;
  /** A program of this folder, with its flags. */
  readonly program: string;
  readonly flags: readonly string[];
}

/** One way of the records into Elasticsearch. */
interface Side {
  /** Sends all of them each time that it is asked to. */
  readonly sender: Program;
  /** What they go through. */
  readonly manager: SpoolingManager | undefined;
  readonly index: string;
}

/**
 * Brings the same records into the same Elasticsearch by a manager and by a bare client, in turns; each time into an index
 * that is new.
 */
export async function compare(
  bench: IngestBench,
  name: string,
  { material, program, flags }: Sending,
  tell: (text: string) => void,
): Promise<Costs> {
  const { elasticsearchUrl, directory } = bench.testbed.facts;
  const { elasticsearch } = bench.testbed;
  const manager = await bench.startManager(elasticsearchUrl, join(directory, `spool-${name}`));
  const sender = await bench.sender(program, manager, flags);
  const indexOf = (cluster: string) => `tigera_secure_ee_flows.${cluster}.${material.day}`;
  const client = await bench.program('bare-client.ts', [
    ...[`--url=${elasticsearchUrl}`, `--index=${indexOf(BARE)}`, `--file=${material.documents}`],
    ...[`--at-once=${BULKS_AT_ONCE}`, `--bulk-bytes=${BULK_BYTES}`],
  ]);
  const sides = {
    ours: { sender, manager, index: indexOf(CLUSTER) },
    theirs: { sender: client, manager: undefined, index: indexOf(BARE) },
  };
  const costs: Record<keyof typeof sides, Cost[]> = { ours: [], theirs: [] };
  for (let n = 0; n <= ROUNDS; n++) {
    for (const whose of ['ours', 'theirs'] as const) {
      const cost = await costOf(sides[whose], material.records, elasticsearch, tell);
      tell(`${name} ${n}, ${whose}: ${cost.perSecond.toFixed(0)} records/s, ${cost.cpu.toFixed(1)} CPU µs a record`);
      // The first is for the compilers of all processes to warm up.
      if (n > 0) costs[whose].push(cost);
    }
  }
  await Promise.all([sender.stop(), client.stop(), manager.stop()]);
  return costs;
}

/** Of one round, until all records are in an index of their own. */
async function costOf(
  { sender, manager, index }: Side,
  records: number,
  elasticsearch: ElasticsearchClient,
  tell: (text: string) => void,
): Promise<Cost> {
  await sleep(REST);
  const spooledBefore = (await manager?.spooled()) ?? 0;
  const measured = manager ?? sender;
  const cpuBefore = measured.cpuSeconds();
  const started = performance.now();
  await round(sender);
  let seconds = (performance.now() - started) / 1000;
  const cpu = ((measured.cpuSeconds() - cpuBefore) * 1e6) / records;
  const spooled = ((await manager?.spooled()) ?? 0) - spooledBefore;
  if (spooled > 0) {
    tell(`${spooled} records went by the spool: Elasticsearch has not taken them within five seconds`);
    await manager?.drained();
    seconds = (performance.now() - started) / 1000;
  }
  const stored = await elasticsearch.count(index);
  if (stored !== records) throw new Error(`${stored} of ${records} records are stored`);
  await elasticsearch.request('DELETE', `/${index}`);
  return { perSecond: records / seconds, cpu };
}

/** Has a program send everything once. */
export async function round(program: Program): Promise<void> {
  program.send({});
  await program.next();
}
