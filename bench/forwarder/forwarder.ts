import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun } from '../../testbed/processes.ts';
import { Program } from '../program.ts';
import { type Result, result } from '../result.ts';
import { type Damage, FAULT_LINES, FAULTS, suffer } from './faults.ts';
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
function oursWith(...flags: readonly string[]): Forwarder {
  return ({ file, port, folder }) => {
    const to = ['--elasticsearch', `http://127.0.0.1:${port}`, '--cluster', 'bench', '--host', 'node-1'];
    const args = [join(PROJECT, 'bin', 'kubectl-mcm'), 'forward', ...flags, ...to];
    return {
      command: process.execPath,
      args: [...args, '--state', join(folder, 'state'), '--flow', file],
      env: process.env,
    };
  };
}

/** One forwarder's run, to a sink of its own. */
async function ship(forwarder: Forwarder, file: string): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-bench-'));
  const sink = await Sink.start();
  const { command, args, env } = forwarder({ file, port: sink.port, folder });
  const started = performance.now();
  const program = new Program(command, args, env);
  let cost: Cost = { cpu: 0, perSecond: 0, memory: 0 };
  try {
    for (let stored = 0; stored < LINES; ) {
      if (performance.now() - started > PATIENCE) throw new Error(`${command} has shipped ${stored} lines`);
      await sleep(20);
      const { documents, repeated } = await sink.count();
      if (repeated > 0 || documents > LINES) throw new Error(`${repeated} lines came twice, ${documents} in all`);
      stored = documents;
      const perSecond = LINES / ((performance.now() - started) / 1000);
      if (program.ended === undefined) {
        const memory = program.peakMemory();
        // One that is just ending has none any more.
        if (!Number.isNaN(memory)) cost = { cpu: program.cpuSeconds(), perSecond, memory };
      } else if (stored < LINES) throw new Error(`${command} ended with ${program.ended} after ${stored} lines`);
    }
  } finally {
    await program.stop();
    await sink.stop();
    rmSync(folder, { recursive: true });
  }
  return cost;
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

const DAMAGE: readonly (keyof Damage)[] = ['lost', 'repeated'];

/** `forward --elasticsearch` beside rsyslog and syslog-ng: the same file to the same sink, in turns. */
export async function forwarder(rows: readonly string[], tell: (text: string) => void): Promise<Result[]> {
  const all = [...Object.keys(ROWS), ...DAMAGE];
  const unknown = rows.find((row) => !all.includes(row));
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"; there are ${all.join(', ')}`);
  const wanted = rows.length > 0 ? rows : all;
  await mustRun(process.execPath, ['build.ts'], { cwd: PROJECT });
  const peers = await Peers.prepare();
  return [...(await costs(wanted, peers, tell)), ...(await damage(wanted, peers, tell))];
}

async function costs(names: readonly string[], peers: Peers, tell: (text: string) => void): Promise<Result[]> {
  const wanted = Object.entries(ROWS).filter(([name]) => names.includes(name));
  if (wanted.length === 0) return [];
  const all: Readonly<Record<string, Forwarder>> = {
    ours: oursWith('--once'),
    'syslog-ng': (job) => peers.syslogNg(job),
    rsyslog: (job) => peers.rsyslog(job),
  };
  const found = new Map<string, Cost[]>();
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-bench-'));
  try {
    const file = join(folder, 'flows.log');
    writeFlows(file, LINES, Date.now());
    for (let round = 1; round <= ROUNDS; round++) {
      for (const [name, one] of Object.entries(all)) {
        if (name !== 'ours' && !wanted.some(([, { theirs }]) => theirs === name)) continue;
        const cost = await ship(one, file);
        found.set(name, [...(found.get(name) ?? []), cost]);
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
      ours: median(found.get('ours'), of),
      theirs: typeof theirs === 'number' ? theirs : median(found.get(theirs), of),
      unit,
      better,
    }),
  );
}

/** Counts, of all faults together; theirs are those of the better peer. */
async function damage(names: readonly string[], peers: Peers, tell: (text: string) => void): Promise<Result[]> {
  const wanted = DAMAGE.filter((name) => names.includes(name));
  if (wanted.length === 0) return [];
  const sum = async (name: string, one: Forwarder): Promise<Damage> => {
    const total = { lost: 0, repeated: 0 };
    for (const fault of FAULTS) {
      const { lost, repeated } = await suffer(one, fault);
      tell(`${name}, ${fault.name}: ${lost} lost, ${repeated} repeated`);
      total.lost += lost;
      total.repeated += repeated;
    }
    return total;
  };
  const ours = await sum('ours', oursWith());
  const syslogNg = await sum('syslog-ng', (job) => peers.syslogNg(job));
  const rsyslog = await sum('rsyslog', (job) => peers.rsyslog(job));
  const unit = `of ${FAULT_LINES * FAULTS.length} lines, ${FAULTS.length} faults`;
  return wanted.map((name) => ({
    name,
    ours: ours[name],
    theirs: Math.min(syslogNg[name], rsyslog[name]),
    unit,
    ratio: null,
    better: 'lower',
  }));
}
