import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../testbed/processes.ts';
import type { Program } from '../program.ts';
import { round } from './comparison.ts';
import { syncedWriteRate } from './disk.ts';
import type { IngestBench } from './ingest-bench.ts';
import type { Material } from './material.ts';
import { ROUNDS } from './rounds.ts';

/** Bytes of a batch, which is what the spool writes and syncs at least at once. */
const PIECE = 2 * 1024 * 1024;

/** MB a second, of each round. */
export interface SpoolRates {
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

type Tell = (text: string) => void;

/** How fast the spool takes batches that are ready, beside synced writes to the same disk. */
export async function spoolRates(bench: IngestBench, { lines }: Material, tell: Tell): Promise<SpoolRates> {
  const directory = newDirectory(bench, 'spool-alone');
  const flags = [`--directory=${directory}`, `--url=${await nobody()}`, `--file=${lines}`];
  const store = await bench.program('spool-store.ts', flags);
  const rates = await ratesOf('spool', store, directory, tell);
  await store.stop();
  return rates;
}

/** How fast a manager without its Elasticsearch takes a forwarder's uploads, beside the same. */
export async function uploadRates(bench: IngestBench, { lines }: Material, tell: Tell): Promise<SpoolRates> {
  const directory = newDirectory(bench, 'spool-uploads');
  const manager = await bench.startManager(await nobody(), directory);
  const sender = await bench.sender('forwarder.ts', manager, [`--file=${lines}`]);
  const rates = await ratesOf('uploads', sender, directory, tell);
  await Promise.all([sender.stop(), manager.stop()]);
  return rates;
}

/** Of what a program brings into the spool in each of its rounds. */
async function ratesOf(name: string, program: Program, directory: string, tell: Tell): Promise<SpoolRates> {
  const rates = { ours: [] as number[], theirs: [] as number[] };
  for (let n = 0; n <= ROUNDS; n++) {
    const before = sizeOf(directory);
    const started = performance.now();
    await round(program);
    const seconds = (performance.now() - started) / 1000;
    const bytes = sizeOf(directory) - before;
    if (bytes === 0) throw new Error('nothing is in the spool');
    const ours = bytes / seconds / 1e6;
    const theirs = (await syncedWriteRate(join(directory, 'bare'), bytes, PIECE)) / 1e6;
    tell(`${name} ${n}: ${ours.toFixed(0)} MB/s of ${(bytes / 1e6).toFixed(0)} MB; the disk ${theirs.toFixed(0)} MB/s`);
    // The first is for the compilers to warm up.
    if (n === 0) continue;
    rates.ours.push(ours);
    rates.theirs.push(theirs);
  }
  return rates;
}

function newDirectory(bench: IngestBench, name: string): string {
  const directory = join(bench.testbed.directory, name);
  mkdirSync(directory);
  return directory;
}

/** Where nobody answers. */
async function nobody(): Promise<string> {
  const [port = 0] = await freePorts(1);
  return `http://127.0.0.1:${port}`;
}

/** Bytes of all frames in a spool. */
function sizeOf(directory: string): number {
  const names = readdirSync(directory).filter((name) => name.endsWith('.frames'));
  return names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}
