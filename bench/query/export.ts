import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../src/plugin/export/manifest.ts';
import { residentMemoryOf } from '../program.ts';
import { median } from './in-turns.ts';
import type { QueryBench } from './query-bench.ts';
import { CLUSTER, DAYS, PATTERN } from './stored-flows.ts';

/** Records of one export; all there are where these are fewer. */
const RECORDS = 500_000;
const ROUNDS = 3;

/** One that does not count, in which code gets warm. */
const WARM_UP = 1;

const DAY = 86_400_000;

/** Milliseconds between two looks at memory. */
const LOOKS = 100;

/** Records a second into files: `logs --export` through kube-apiserver and the manager, and a bare loop of searches. */
export async function exportRates(bench: QueryBench, tell: (text: string) => void) {
  const { testbed, now, records } = bench;
  const share = Math.min(RECORDS / records, 1);
  const until = now - DAY;
  const since = until - Math.floor(share * (DAYS - 1) * DAY);
  const folder = join(testbed.directory, 'exported');
  const file = join(testbed.directory, 'scrolled.ndjson');
  const flags = ['--cluster', CLUSTER, '--since', dateOf(since), '--until', dateOf(until), '--export', folder];
  const scroll = join(import.meta.dirname, 'bare-scroll.ts');
  const raw = [
    `--url=${testbed.facts.elasticsearchUrl}`,
    `--pattern=${PATTERN}`,
    `--since=${since}`,
    `--until=${until}`,
  ];
  const rates = { ours: [] as number[], theirs: [] as number[] };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const ours = await timed('kubectl-mcm', ['logs', ...flags], testbed.env);
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
    rmSync(folder, { recursive: true });
    const theirs = await timed(process.execPath, [scroll, ...raw, `--file=${file}`], testbed.env);
    const lines = await linesOf(file);
    if (lines !== manifest.records) throw new Error(`${manifest.records} records exported, and ${lines} found`);
    if (round >= 0) {
      rates.ours.push(lines / ours.seconds);
      rates.theirs.push(lines / theirs.seconds);
    }
    tell(
      `export ${round}: ${(lines / ours.seconds).toFixed(0)} records/s, ${ours.memory.join(', ')} MiB in its quarters`,
    );
    tell(`scroll ${round}: ${(lines / theirs.seconds).toFixed(0)} records/s, ${theirs.memory.join(', ')} MiB`);
  }
  return { ours: median(rates.ours), theirs: median(rates.theirs) };
}

/** Runs a command to its end; `memory` is the most that was resident in each quarter of that time, in MiB. */
async function timed(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const started = performance.now();
  const child: ChildProcess = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const seen: number[] = [];
  const timer = setInterval(() => {
    const memory = child.exitCode === null ? residentMemoryOf(child.pid) : Number.NaN;
    // It has none any more once it has ended.
    if (!Number.isNaN(memory)) seen.push(memory);
  }, LOOKS);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}`);
  const quarter = Math.ceil(seen.length / 4);
  const memory = [0, 1, 2, 3].map((at) => Math.round(Math.max(0, ...seen.slice(at * quarter, (at + 1) * quarter))));
  return { seconds: (performance.now() - started) / 1000, memory };
}

async function linesOf(file: string): Promise<number> {
  let lines = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++;
  }
  return lines;
}

function dateOf(time: number): string {
  return new Date(time).toISOString();
}
