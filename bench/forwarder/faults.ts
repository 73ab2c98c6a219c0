import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Program } from '../program.ts';
import { numberedFlows } from './lines.ts';
import type { PeerCommand, PeerJob } from './peers.ts';
import { Sink } from './sink.ts';

/** Lines of each fault's run. */
export const FAULT_LINES = 100_000;
const PARTS = 10;

/** Milliseconds without a new line after which nothing more is waited for. */
const PATIENCE = 20_000;

/** Milliseconds for what is sent again although everything is there. */
const AFTERWARDS = 2_000;

interface Fault {
  readonly name: string;
  readonly sink?: readonly string[];
  /** Writes the lines, and does what is to be borne. */
  readonly happen: (run: FaultRun) => Promise<void>;
}

export const FAULTS: readonly Fault[] = [
  { name: 'answers 503, then 429', sink: ['-unavailable', '3s'], happen: writeAtOnce },
  { name: 'cuts connections behind a request', sink: ['-cut', '5'], happen: writeAtOnce },
  { name: 'holds back items', sink: ['-hold', '5'], happen: writeAtOnce },
  { name: 'SIGKILL and a new start', happen: killHalfway },
  { name: 'rotation by renaming while it is written', happen: rotateHalfway },
];

/** What has become of the lines: never stored, and stored more than once. */
export interface Damage {
  readonly lost: number;
  readonly repeated: number;
}

/** One forwarder with one fault, in a folder and with a sink of its own. */
class FaultRun {
  readonly file: string;
  readonly parts: readonly string[];
  readonly sink: Sink;
  readonly #command: PeerCommand;
  #program: Program;

  constructor(forwarder: (job: PeerJob) => PeerCommand, sink: Sink, folder: string, parts: readonly string[]) {
    this.file = join(folder, 'flows.log');
    this.parts = parts;
    this.sink = sink;
    this.#command = forwarder({ file: this.file, port: sink.port, folder });
    writeFileSync(this.file, '');
    this.#program = this.#start();
  }

  async restart(): Promise<void> {
    await this.#program.stop();
    this.#program = this.#start();
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    await this.sink.stop();
  }

  #start(): Program {
    const { command, args, env } = this.#command;
    return new Program(command, args, env);
  }
}

/** Has a forwarder bear a fault. */
export async function suffer(forwarder: (job: PeerJob) => PeerCommand, fault: Fault): Promise<Damage> {
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-bench-'));
  const sink = await Sink.start(fault.sink);
  const run = new FaultRun(forwarder, sink, folder, numberedFlows(FAULT_LINES, PARTS, Date.now()));
  try {
    await fault.happen(run);
    await everythingThere(sink);
    await sleep(AFTERWARDS);
    const { documents, lines } = await sink.count();
    return { lost: FAULT_LINES - lines, repeated: documents - lines };
  } finally {
    await run.stop();
    rmSync(folder, { recursive: true });
  }
}

async function everythingThere(sink: Sink): Promise<void> {
  let last = -1;
  for (let since = performance.now(); performance.now() - since < PATIENCE; await sleep(100)) {
    const { lines } = await sink.count();
    if (lines === FAULT_LINES) return;
    if (lines > last) since = performance.now();
    last = lines;
  }
}

/** However long it takes to begin. */
async function atWork(sink: Sink): Promise<void> {
  const started = performance.now();
  while ((await sink.count()).lines === 0 && performance.now() - started < PATIENCE) await sleep(20);
}

async function writeAtOnce({ file, parts }: FaultRun): Promise<void> {
  for (const part of parts) appendFileSync(file, part);
}

async function killHalfway(run: FaultRun): Promise<void> {
  for (const [at, part] of run.parts.entries()) {
    appendFileSync(run.file, part);
    await atWork(run.sink);
    if (at === 5) await run.restart();
  }
}

async function rotateHalfway({ file, parts, sink }: FaultRun): Promise<void> {
  for (const [at, part] of parts.entries()) {
    // The writer has the old file open for a while longer.
    appendFileSync(at === 5 ? `${file}.1` : file, part);
    await atWork(sink);
    await sleep(100);
    if (at === 4) {
      renameSync(file, `${file}.1`);
      writeFileSync(file, '');
    }
  }
}
