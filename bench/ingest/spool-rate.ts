import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../testbed/processes.ts';
import { round } from './comparison.ts';
import { syncedWriteRate } from './disk.ts';
import type { IngestBench } from './ingest-bench.ts';
import type { Material } from './material.ts';
import { ROUNDS } from './rounds.ts';

/** Bytes of an upload, which is what the spool writes and syncs at least at once. */
const PIECE = 2 * 1024 * 1024;

/** MB a second, of each round. */
export interface SpoolRates {
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

/** How fast a manager without its Elasticsearch takes a forwarder's uploads, beside synced writes to the same disk. */
export async function spoolRates(
  bench: IngestBench,
  material: Material,
  tell: (text: string) => void,
): Promise<SpoolRates> {
  const directory = join(bench.testbed.directory, 'spool');
  mkdirSync(directory);
  const [nobody = 0] = await freePorts(1);
  const manager = await bench.startManager(`http://127.0.0.1:${nobody}`, directory);
  const sender = await bench.sender('forwarder.ts', manager, [`--file=${material.lines}`]);
  const rates = { ours: [] as number[], theirs: [] as number[] };
  for (let n = 0; n <= ROUNDS; n++) {
    const before = sizeOf(directory);
    const cpuBefore = manager.cpuSeconds();
    const started = performance.now();
    await round(sender);
    const seconds = (performance.now() - started) / 1000;
    const cpu = ((manager.cpuSeconds() - cpuBefore) * 1e6) / material.records;
    const bytes = sizeOf(directory) - before;
    if (bytes < statSync(material.lines).size) throw new Error(`only ${bytes} bytes are in the spool`);
    const ours = bytes / seconds / 1e6;
    const theirs = (await syncedWriteRate(join(directory, 'bare'), bytes, PIECE)) / 1e6;
    tell(`spool ${n}: ${ours.toFixed(0)} MB/s, ${cpu.toFixed(1)} CPU µs a record; the disk ${theirs.toFixed(0)} MB/s`);
    if (n === 0) continue;
    rates.ours.push(ours);
    rates.theirs.push(theirs);
  }
  await Promise.all([sender.stop(), manager.stop()]);
  return rates;
}

/** Bytes of all frames in a spool. */
function sizeOf(directory: string): number {
  const names = readdirSync(directory).filter((name) => name.endsWith('.frames'));
  return names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}
