import { appendFileSync, createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForwarderProcess } from '../../test/forwarder-process.ts';
import type { Workbench } from '../../testbed/testbed.ts';
import { writeFlows } from '../forwarder/lines.ts';
import { Sink } from '../forwarder/sink.ts';
import { cpuSecondsOf, residentMemoryOf } from '../program.ts';
import { atMost, exactly, type Finding, told } from './finding.ts';

export interface BacklogOptions {
  readonly workbench: Workbench;
  readonly lines: number;
  readonly tell: (text: string) => void;
}

/** Files that were rotated while nobody shipped them. */
const FILES = 10;

/** What the last quarter of the time may take more of memory than the first one: what is collected later, and no more. */
const MORE = { factor: 1.1, mebibytes: 8 };

/** Milliseconds from one look at the forwarder to the next. */
const LOOK = 25;

/**
 * A forwarder that follows files catches up with so many lines that were there before it. Where they go is the
 * benchmark's sink: an Elasticsearch would take twenty times as long for them, and it is the forwarder that is measured.
 */
export async function soakBacklog({ workbench, lines, tell }: BacklogOptions): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-backlog-'));
  const sink = await Sink.start();
  let forwarder: ForwarderProcess | undefined;
  try {
    const log = join(folder, 'flows.log');
    tell(`writing ${lines} lines`);
    const count = await writeBacklog(log, lines);
    const to = ['--elasticsearch', sink.url, '--cluster', 'backlog', '--host', 'node-1'];
    forwarder = new ForwarderProcess(workbench, [...to, '--state', join(folder, 'state'), '--flow', `${log}*`]);
    return await watchCatchUp(forwarder, sink, count, tell);
  } catch (error) {
    await forwarder?.end('SIGKILL').catch(() => undefined);
    throw error;
  } finally {
    await sink.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Files of the same lines, each behind a first one of its own. Returns how many there are in all. */
async function writeBacklog(log: string, lines: number): Promise<number> {
  const each = Math.ceil(lines / FILES);
  const source = `${log}-source`;
  writeFlows(source, each - 1, Date.now());
  for (let file = 0; file < FILES; file++) {
    const path = file === 0 ? log : `${log}.${file}`;
    appendFileSync(path, `{"end_time":${Math.floor(Date.now() / 1000)},"file":${file}}\n`);
    await pipeline(createReadStream(source), createWriteStream(path, { flags: 'a' }));
  }
  rmSync(source);
  return each * FILES;
}

interface Look {
  readonly documents: number;
  /** MiB. */
  readonly memory: number;
}

async function watchCatchUp(
  forwarder: ForwarderProcess,
  sink: Sink,
  lines: number,
  tell: (text: string) => void,
): Promise<Finding[]> {
  const started = performance.now();
  const looks: Look[] = [];
  let told10 = 0;
  await forwarder.says(/^forwarding$/);
  for (let documents = 0; documents < lines; await sleep(LOOK)) {
    ({ documents } = await sink.count());
    const memory = residentMemoryOf(forwarder.pid);
    looks.push({ documents, memory });
    const tenths = Math.floor((10 * documents) / lines);
    if (tenths > told10) tell(`${documents} lines, ${memory.toFixed(0)} MiB`);
    told10 = Math.max(told10, tenths);
  }
  const seconds = (performance.now() - started) / 1000;
  const cpu = cpuSecondsOf(forwarder.pid);
  const { code, stderr } = await forwarder.end();
  if (code !== 0) throw new Error(`the forwarder has ended with exit code ${code}: ${stderr}`);
  const { documents, repeated } = await sink.count();
  const [first, second, third, last] = mostInQuarters(looks);
  return [
    told('lines', lines),
    exactly('lines lost', lines - documents, 0),
    exactly('lines sent twice', repeated, 0),
    told('caught up after', seconds, 's'),
    told('CPU a million lines, its start included', cpu / (lines / 1e6), 's'),
    ...[first, second, third].map((memory, at) => told(`resident at most in quarter ${at + 1}`, memory, 'MiB')),
    atMost('resident at most in quarter 4', last, first * MORE.factor + MORE.mebibytes, 'MiB'),
  ];
}

/** By time from the first line that had come: of a quarter of the lines there may have been no look. */
function mostInQuarters(all: readonly Look[]): readonly [number, number, number, number] {
  const looks = all.filter(({ documents }) => documents > 0).map(({ memory }) => memory);
  if (looks.length < 4) throw new Error(`all lines had come after ${looks.length} looks: give it more of them`);
  const most = (quarter: number) =>
    Math.max(...looks.slice((looks.length * quarter) / 4, (looks.length * (quarter + 1)) / 4));
  return [most(0), most(1), most(2), most(3)];
}
