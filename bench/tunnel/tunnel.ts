import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKeyPair, daysFromNow } from '../../src/clusters/key-pair.ts';
import { cached } from '../../testbed/cache.ts';
import { mustRun } from '../../testbed/processes.ts';
import { Program } from '../program.ts';
import { type Result, result } from '../result.ts';
import { DelayProxy } from './delay-proxy.ts';

const GO = join(import.meta.dirname, 'go');
const MIB = 1024 * 1024;
const ROUNDS = 3;

type Flags = Readonly<Record<string, string | number>>;

/** What the load says when it is done. */
interface Done {
  readonly seconds: number;
  readonly bytes: number;
}

/** The servers and the load, which all have the same certificate. */
class Bench {
  readonly #go: string;
  readonly #folder: string;
  readonly #programs: Program[] = [];

  private constructor(go: string, folder: string) {
    this.#go = go;
    this.#folder = folder;
  }

  static async prepare(): Promise<Bench> {
    const names = ['go.mod', 'go.sum', 'main.go', 'server.go', 'load.go'];
    const sources = names.map((name) => readFileSync(join(GO, name)));
    const build = await cached('bench-tunnel', sources, async (folder) => {
      await mustRun('go', ['build', '-o', join(folder, 'tunnel'), '.'], {
        cwd: GO,
        env: { ...process.env, CGO_ENABLED: '0' },
      });
    });
    const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-bench-'));
    const pair = await createKeyPair({
      commonName: 'bench',
      dnsNames: ['bench'],
      usages: ['server', 'client'],
      notAfter: daysFromNow(1),
    });
    writeFileSync(join(folder, 'pair.pem'), pair.certificate + pair.key, { mode: 0o600 });
    return new Bench(join(build, 'tunnel'), folder);
  }

  ours(flags: Flags): Program {
    return this.#start(process.execPath, [join(import.meta.dirname, 'server.ts')], '--', flags);
  }

  theirs(flags: Flags): Program {
    return this.#start(this.#go, ['-listen'], '-', flags);
  }

  load(port: number, flags: Flags): Program {
    return this.#start(this.#go, ['-dial', `127.0.0.1:${port}`], '-', flags);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    rmSync(this.#folder, { recursive: true });
  }

  #start(command: string, args: readonly string[], dash: string, flags: Flags): Program {
    const all = Object.entries({ cert: join(this.#folder, 'pair.pem'), ...flags }).map(
      ([name, value]) => `${dash}${name}=${value}`,
    );
    const program = new Program(command, [...args, ...all]);
    this.#programs.push(program);
    return program;
  }
}

interface Work {
  readonly server: Flags;
  readonly load: Flags;
  /** How much was done, in the row's unit. */
  readonly amount: (done: Done) => number;
}

/** How much each server gets done for a second of its processor time, in turns. */
async function perCpuSecond(bench: Bench, { server, load, amount }: Work, compare = true): Promise<number[]> {
  const programs = compare ? [bench.ours(server), bench.theirs(server)] : [bench.ours(server)];
  const sides = await Promise.all(
    programs.map(async (program) => ({
      program,
      port: (await program.next<{ port: number }>()).port,
      amount: 0,
      cpu: 0,
    })),
  );
  for (let round = 0; round <= ROUNDS; round++) {
    for (const side of sides) {
      const before = side.program.cpuSeconds();
      const run = bench.load(side.port, load);
      const done = await run.next<Done>();
      await run.stop();
      // The first is for the compilers of both to warm up.
      if (round === 0) continue;
      side.amount += amount(done);
      side.cpu += side.program.cpuSeconds() - before;
    }
  }
  await Promise.all(programs.map((program) => program.stop()));
  return sides.map((side) => side.amount / side.cpu);
}

const MEGABYTES = ({ bytes }: Done) => bytes / 1e6;

async function throughput(bench: Bench, name: string, work: Work, compare = true): Promise<Result> {
  const [ours = 0, theirs] = await perCpuSecond(bench, work, compare);
  return result({ name, ours, theirs: theirs ?? null, unit: 'MB per CPU second', better: 'higher' });
}

const ROWS: Readonly<Record<string, (bench: Bench) => Promise<Result>>> = {
  /** Cluster to manager, yamux over TLS. */
  'push-per-cpu': async (bench) => {
    const mode = 'push';
    return await throughput(bench, 'push-per-cpu', {
      server: { mode },
      load: { mode, bytes: 1024 * MIB },
      amount: MEGABYTES,
    });
  },
  /** Manager to cluster. */
  'fetch-per-cpu': async (bench) => {
    const flags = { mode: 'fetch', bytes: 1024 * MIB };
    return await throughput(bench, 'fetch-per-cpu', { server: flags, load: flags, amount: MEGABYTES });
  },
  /** Streams that the cluster opens for a byte each way. */
  'streams-per-second': async (bench) => {
    const [mode, count] = ['streams', 40_000];
    const work = { server: { mode }, load: { mode, count, streams: 64 }, amount: () => count };
    const [ours = 0, theirs = 0] = await perCpuSecond(bench, work);
    return result({ name: 'streams-per-second', ours, theirs, unit: 'streams per CPU second', better: 'higher' });
  },
  /** Logs: HTTP/1.1 over TLS in yamux over TLS. */
  'inner-push-per-cpu': async (bench) => {
    const mode = 'inner';
    const work = { server: { mode }, load: { mode, count: 400, streams: 8 }, amount: MEGABYTES };
    return await throughput(bench, 'inner-push-per-cpu', work, false);
  },
  /** One stream over a way of 100 ms; theirs has the default window. */
  'wan-push-vs-default-window': async (bench) => {
    const mode = 'push';
    const rates: number[] = [];
    for (const program of [bench.ours({ mode }), bench.theirs({ mode })]) {
      const proxy = await DelayProxy.start((await program.next<{ port: number }>()).port, 50);
      const { bytes, seconds } = await bench.load(proxy.port, { mode, streams: 1, seconds: 10 }).next<Done>();
      rates.push(bytes / 1e6 / seconds);
      proxy.stop();
      await program.stop();
    }
    const [ours = 0, theirs = 0] = rates;
    return result({ name: 'wan-push-vs-default-window', ours, theirs, unit: 'MB/s', better: 'higher' });
  },
  /** 1,000 clusters that do nothing but ping. */
  'idle-cpu-vs-go': async (bench) => {
    const flags = { mode: 'idle', count: 1_000 };
    const shares: number[] = [];
    for (const program of [bench.ours({ mode: 'idle' }), bench.theirs({ mode: 'idle' })]) {
      const load = bench.load((await program.next<{ port: number }>()).port, flags);
      await load.next();
      await sleep(5_000);
      const [before, started] = [program.cpuSeconds(), performance.now()];
      await sleep(20_000);
      shares.push(((program.cpuSeconds() - before) / (performance.now() - started)) * 1e5);
      load.finish();
      const { connected } = await load.next<{ connected: number }>();
      if (connected !== flags.count)
        throw new Error(`only ${connected} of ${flags.count} clusters are still connected`);
      await program.stop();
    }
    const [ours = 0, theirs = 0] = shares;
    return result({ name: 'idle-cpu-vs-go', ours, theirs, unit: '% of a core', better: 'lower' });
  },
};

/** The tunnel beside hashicorp/yamux and Go's TLS: the same load, in turns, on this machine. */
export async function tunnel(rows: readonly string[], tell: (text: string) => void): Promise<Result[]> {
  const names = rows.length > 0 ? rows : Object.keys(ROWS);
  const bench = await Bench.prepare();
  const results: Result[] = [];
  try {
    for (const name of names) {
      const row = ROWS[name];
      if (row === undefined) throw new Error(`there is no row "${name}"; there are ${Object.keys(ROWS).join(', ')}`);
      tell(name);
      results.push(await row(bench));
    }
  } finally {
    await bench.stop();
  }
  return results;
}
