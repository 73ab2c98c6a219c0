import { join } from 'node:path';
import { mustRun } from '../../testbed/processes.ts';
import { type Result, result } from '../result.ts';
import { type Cost, type Costs, compare } from './comparison.ts';
import { IngestBench } from './ingest-bench.ts';
import { flowMaterial, goldmaneMaterial, WINDOWS } from './material.ts';
import { type SpoolRates, spoolRates, uploadRates } from './spool-rate.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const RECORDS = 60_000;

type Tell = (text: string) => void;

/** What is measured together, and its rows. */
const MEASUREMENTS: readonly {
  readonly rows: readonly string[];
  readonly run: (bench: IngestBench, tell: Tell) => Promise<Result[]>;
}[] = [
  { rows: ['elasticsearch-vs-bare-bulk', 'ingest-cpu-vs-bare-client'], run: forwarder },
  { rows: ['goldmane-vs-bare-bulk'], run: goldmane },
  { rows: ['spool-rate-vs-disk'], run: spool },
  { rows: ['spool-upload-rate-vs-disk'], run: spoolUploads },
];

/** The manager's way into Elasticsearch beside a bare bulk client's, and its spool beside the bare disk. */
export async function ingest(rows: readonly string[], tell: Tell): Promise<Result[]> {
  const all = MEASUREMENTS.flatMap((measurement) => measurement.rows);
  const unknown = rows.find((row) => !all.includes(row));
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"; there are ${all.join(', ')}`);
  const isWanted = (row: string) => rows.length === 0 || rows.includes(row);
  await mustRun(process.execPath, ['build.ts'], { cwd: PROJECT });
  const bench = await IngestBench.start(tell);
  try {
    const results: Result[] = [];
    for (const measurement of MEASUREMENTS) {
      if (measurement.rows.some(isWanted)) results.push(...(await measurement.run(bench, tell)));
    }
    return results.filter(({ name }) => isWanted(name));
  } finally {
    await bench.stop();
  }
}

/** A forwarder's uploads. */
async function forwarder(bench: IngestBench, tell: Tell): Promise<Result[]> {
  const material = await flowMaterial(bench.testbed.directory, RECORDS);
  const flags = [`--file=${material.lines}`];
  const costs = await compare(bench, 'flows', { material, program: 'forwarder.ts', flags }, tell);
  const cpu = medians(costs, 'cpu');
  return [
    rateOf('elasticsearch-vs-bare-bulk', costs),
    result({ name: 'ingest-cpu-vs-bare-client', ...cpu, unit: 'CPU µs a record', better: 'lower' }),
  ];
}

/** What a Goldmane posts, through a tunnel. */
async function goldmane(bench: IngestBench, tell: Tell): Promise<Result[]> {
  const material = await goldmaneMaterial(bench.testbed.directory, RECORDS);
  const flags = [`--file=${material.lines}`, `--window=${RECORDS / WINDOWS}`];
  const costs = await compare(bench, 'goldmane', { material, program: 'goldmane.ts', flags }, tell);
  return [rateOf('goldmane-vs-bare-bulk', costs)];
}

/** Batches that are ready. */
async function spool(bench: IngestBench, tell: Tell): Promise<Result[]> {
  const material = await flowMaterial(bench.testbed.directory, RECORDS);
  return [spoolRateOf('spool-rate-vs-disk', await spoolRates(bench, material, tell))];
}

/** A forwarder's uploads. */
async function spoolUploads(bench: IngestBench, tell: Tell): Promise<Result[]> {
  const material = await flowMaterial(bench.testbed.directory, RECORDS);
  return [spoolRateOf('spool-upload-rate-vs-disk', await uploadRates(bench, material, tell))];
}

function spoolRateOf(name: string, { ours, theirs }: SpoolRates): Result {
  return result({ name, ours: median(ours), theirs: median(theirs), unit: 'MB/s', better: 'higher' });
}

function rateOf(name: string, costs: Costs): Result {
  return result({ name, ...medians(costs, 'perSecond'), unit: 'records/s', better: 'higher' });
}

function medians({ ours, theirs }: Costs, of: keyof Cost) {
  return { ours: median(ours.map((cost) => cost[of])), theirs: median(theirs.map((cost) => cost[of])) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
