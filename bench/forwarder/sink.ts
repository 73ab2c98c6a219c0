import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../../testbed/cache.ts';
import { mustRun } from '../../testbed/processes.ts';
import { Program } from '../program.ts';

const GO = join(import.meta.dirname, 'go');

/** What a sink has. */
export interface SinkCounts {
  /** Different ones. */
  readonly documents: number;
  readonly repeated: number;
}

/** A server that answers _bulk requests as an Elasticsearch does that stores every document, and counts what it gets. */
export class Sink {
  readonly port: number;
  readonly #program: Program;

  private constructor(port: number, program: Program) {
    this.port = port;
    this.#program = program;
  }

  static async start(): Promise<Sink> {
    const source = readFileSync(join(GO, 'main.go'));
    const build = await cached('bench-forwarder-sink', [source], async (folder) => {
      await mustRun('go', ['build', '-o', join(folder, 'sink'), '.'], { cwd: GO });
    });
    const program = new Program(join(build, 'sink'), []);
    const { port } = await program.next<{ port: number }>();
    return new Sink(port, program);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async counts(): Promise<SinkCounts> {
    return (await (await fetch(`${this.url}/count`)).json()) as SinkCounts;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }
}
