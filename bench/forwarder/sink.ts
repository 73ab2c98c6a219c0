import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../../testbed/cache.ts';
import { mustRun } from '../../testbed/processes.ts';
import { Program } from '../program.ts';

const GO = join(import.meta.dirname, 'go');

/** What a sink has by now. */
export interface SinkCount {
  readonly documents: number;
  /** Documents that came with an id that was there, and were not stored again. */
  readonly repeated: number;
  /** Different numbered lines. */
  readonly lines: number;
}

/**
 * A server, in Go, that answers _bulk requests as an Elasticsearch does that stores every document, and counts what it
 * gets. See go/main.go for the flags that make it fail.
 */
export class Sink {
  readonly port: number;
  readonly #program: Program;

  private constructor(port: number, program: Program) {
    this.port = port;
    this.#program = program;
  }

  static async start(flags: readonly string[] = []): Promise<Sink> {
    const sources = globSync('*.go', { cwd: GO }).sort();
    const contents = sources.map((file) => readFileSync(join(GO, file)));
    const build = await cached('bench-forwarder-sink', contents, async (folder) => {
      await mustRun('go', ['build', '-o', join(folder, 'sink'), '.'], { cwd: GO });
    });
    const program = new Program(join(build, 'sink'), flags);
    const { port } = await program.next<{ port: number }>();
    return new Sink(port, program);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async count(): Promise<SinkCount> {
    return (await (await fetch(`${this.url}/count`)).json()) as SinkCount;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }
}
