import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../../testbed/processes.ts';
import { cpuSecondsOf } from '../program.ts';
import { Inspector } from './inspector.ts';

const PAGE = 4096;
const MB = 1e6;

/** What a manager's process holds once garbage is collected. */
export interface Holdings {
  /** Bytes / 10^6: resident, and on JavaScript's heap. */
  readonly resident: number;
  readonly heap: number;
  /** Files and sockets open. */
  readonly descriptors: number;
  /** Node.js's own: sockets, servers, and whatever else it has open. */
  readonly handles: number;
}

/** A manager as it is seen from outside: /proc and its metrics. */
export class ManagerGauges {
  readonly #process: ServerProcess;
  readonly #metrics: string;

  constructor(process: ServerProcess, healthPort: number) {
    this.#process = process;
    this.#metrics = `http://127.0.0.1:${healthPort}/metrics`;
  }

  /** A metric, with its labels as they are written; 0 where there is none. */
  async metric(name: string): Promise<number> {
    return metricIn(await this.#read(), name);
  }

  /** A metric's values by one label. */
  async byLabel(name: string): Promise<Record<string, number>> {
    const matches = (await this.#read()).matchAll(new RegExp(`^${name}\\{\\w+="(\\w+)"\\} (\\S+)$`, 'gm'));
    return Object.fromEntries([...matches].map(([, label = '', value]) => [label, Number(value)]));
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.#process.pid);
  }

  /** Percent of a core that it uses in the coming seconds. */
  async cpuShare(seconds: number): Promise<number> {
    const [before, started] = [this.cpuSeconds(), performance.now()];
    await sleep(seconds * 1000);
    return ((this.cpuSeconds() - before) / (performance.now() - started)) * 1e5;
  }

  async holdings(): Promise<Holdings> {
    const inspector = await Inspector.connect(this.#process);
    await inspector.call('HeapProfiler.collectGarbage');
    inspector.close();
    const text = await this.#read();
    const folder = `/proc/${this.#process.pid}`;
    const [, pages = '0'] = readFileSync(`${folder}/statm`, 'utf8').split(' ');
    return {
      resident: (Number(pages) * PAGE) / MB,
      heap: metricIn(text, 'nodejs_heap_size_used_bytes') / MB,
      descriptors: readdirSync(`${folder}/fd`).length,
      handles: metricIn(text, 'nodejs_active_handles_total'),
    };
  }

  async #read(): Promise<string> {
    return await (await fetch(this.#metrics)).text();
  }
}

function metricIn(text: string, name: string): number {
  return Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1] ?? 0);
}
