import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun } from '../../testbed/processes.ts';
import { Program } from '../program.ts';
import { type Result, result } from '../result.ts';
import { writeFlows } from './lines.ts';
import { type PeerCommand, type PeerJob, Peers } from './peers.ts';
import { Sink } from './sink.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const LINES = 1_000_000;
const ROUNDS = 3;

/** Milliseconds in which a forwarder must have shipped everything. */
const PATIENCE = 300_000;

/** MiB that a forwarder may have on a node. */
const MEMORY = 90;

/** What shipping all lines has taken. */
interface Cost {
  /** Seconds of processor time, from its start until the sink has everything. */
  readonly cpu: number;
  readonly perSecond: number;
  /** MiB. */
  readonly memory: number;
}

type Forwarder = (job: PeerJob) => PeerCommand;

/** Ours with all that it does by default: ids, checksums, the index of each record's own day, synced checkpoints. */
const ours: Forwarder = ({ file, port, folder }) => {
  const to = ['--elasticsearch', `http://127.0.0.1:${port}`, '--cluster', 'bench', '--host', 'node-1'];
  const args = [join(PROJECT, 'bin', 'kubectl-mcm'), 'forward', '--once', ...to];
  return {
    command: process.execPath,
    args: [...args, '--state', join(folder, 'state'), '--flow', file],
    env: process.env,
  };
};

/** One forwarder's run, to a sink of its own. */
async function ship(forwarder: Forwarder, file: string): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-bench-'));
  const sink = await Sink.start();
  const { command, args, env } = forwarder({ file, port: sink.port, folder });
  const started = performance.now();
  const program = new Program(command, args, env);
  let cost: Cost = { cpu: 0, perSecond: 0, memory: 0 };
  try {
    for (let documents = 0; documents < LINES; ) {
      if (performance.now() - started > PATIENCE) throw new Error(`${command} has shipped ${documents} lines`);
      await sleep(20);
      documents = await documentsOf(sink);
      const perSecond = LINES / ((performance.now() - started) / 1000);
      if (program.ended === undefined) cost = { cpu: program.cpuSeconds(), perSecond, memory: program.peakMemory() };
      else if (documents < LINES) throw new Error(`${command} ended with ${program.ended} after ${documents} lines`);
    }
  } finally {
    await program.stop();
    await sink.stop();
    rmSync(folder, { recursive: true });
  }
  return cost;
}

/** How many different documents the sink has. @throws Error when it was sent some twice. */
async function documentsOf(sink: Sink): Promise<number> {
  const { documents, repeated } = await sink.counts();
  if (repeated > 0 || documents > LINES) throw new Error(`${repeated} documents came twice, ${documents} in all`);
  return documents;
}

function median(costs: readonly Cost[] | undefined, of: keyof Cost): number {
  const sorted = (costs ?? []).map((cost) => cost[of]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

interface Row {
  readonly of: keyof Cost;
  /** A forwarder's name, or a fixed figure. */
  readonly theirs: string | number;
  readonly unit: string;
  readonly better: Result['better'];
}

const CPU = 'CPU s a million lines (ours asks for short answers: filter_path)';

const ROWS: Readonly<Record<string, Row>> = {
  'cpu-vs-syslog-ng': { of: 'cpu', theirs: 'syslog-ng', unit: CPU, better: 'lower' },
  'cpu-vs-rsyslog': { of: 'cpu', theirs: 'rsyslog', unit: CPU, better: 'lower' },
  'rate-vs-syslog-ng': { of: 'perSecond', theirs: 'syslog-ng', unit: 'lines/s', better: 'higher' },
  'memory-mib': { of: 'memory', theirs: MEMORY, unit: 'MiB at most', better: 'lower' },
};

/** `forward --once --elasticsearch` beside rsyslog and syslog-ng: the same file to the same sink, in turns. */
export async function forwarder(rows: readonly string[], tell: (text: string) => void): Promise<Result[]> {
  const names = rows.length > 0 ? rows : Object.keys(ROWS);
  const wanted = names.map((name): [string, Row] => {
    const row = ROWS[name];
    if (row === undefined) throw new Error(`there is no row "${name}"; there are ${Object.keys(ROWS).join(', ')}`);
    return [name, row];
  });
  await mustRun(process.execPath, ['build.ts'], { cwd: PROJECT });
  const peers = await Peers.prepare();
  const all: Readonly<Record<string, Forwarder>> = {
    ours,
    'syslog-ng': (job) => peers.syslogNg(job),
    rsyslog: (job) => peers.rsyslog(job),
  };
  const costs = new Map<string, Cost[]>();
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-bench-'));
  try {
    const file = join(folder, 'flows.log');
    writeFlows(file, LINES, Date.now());
    for (let round = 1; round <= ROUNDS; round++) {
      for (const [name, one] of Object.entries(all)) {
        if (name !== 'ours' && !wanted.some(([, { theirs }]) => theirs === name)) continue;
        const cost = await ship(one, file);
        costs.set(name, [...(costs.get(name) ?? []), cost]);
        const { cpu, perSecond, memory } = cost;
        tell(`${name} ${round}: ${cpu.toFixed(2)} CPU s, ${perSecond.toFixed(0)} lines/s, ${memory.toFixed(0)} MiB`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return wanted.map(([name, { of, theirs, unit, better }]) =>
    result({
      name,
      ours: median(costs.get('ours'), of),
      theirs: typeof theirs === 'number' ? theirs : median(costs.get(theirs), of),
      unit,
      better,
    }),
  );
}
