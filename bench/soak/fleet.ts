import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached } from '../../testbed/cache.ts';
import { mustRun } from '../../testbed/processes.ts';
import { Program } from '../program.ts';

const MODULE = join(import.meta.dirname, '..', 'tunnel', 'go');
const SOURCES = ['main.go', 'identity.go', 'agent.go', 'goldmane.go', 'faults.go'];

/** Descriptors that the fleet needs for each agent: its own end, and both of the proxy before the manager. */
const DESCRIPTORS = 3;
const MORE_DESCRIPTORS = 500;

export interface FleetOptions {
  readonly agents: number;
  /** How many of the agents' clusters send flows. */
  readonly senders: number;
  /** Their names are this, a dash and a number. */
  readonly prefix: string;
  /** `HOST:PORT` of the manager's port for clusters. */
  readonly manager: string;
  /** What signed the manager's certificate, PEM, and the name that is to be in that. */
  readonly ca: string;
  readonly serverName: string;
}

export interface FleetCluster {
  readonly name: string;
  /** PEM. */
  readonly certificate: string;
}

/** How long it took those at one end of frozen connections to give them up, in seconds. */
export interface Noticing {
  readonly count: number;
  readonly median: number;
  readonly longest: number;
  /** Connections that are not given up yet, and the longest that one has been frozen. */
  readonly waiting: number;
  readonly oldest: number;
}

export interface FleetState {
  readonly agents: {
    readonly connected: number;
    /** Sessions that came about, those of reconnects included. */
    readonly sessions: number;
    /** Dials that failed, by why. */
    readonly failures: Readonly<Record<string, number>>;
  };
  readonly flows: {
    readonly made: number;
    readonly answered: number;
    /** Given up after as many retries as Goldmane makes. */
    readonly dropped: number;
    readonly posts: number;
    readonly refused: number;
    readonly broken: number;
  };
  readonly faults: {
    readonly open: number;
    readonly cut: number;
    readonly delayed: number;
    readonly frozen: number;
    readonly manager: Noticing;
    readonly agents: Noticing;
  };
}

/** Managed clusters by the thousand in one program: Guardian's timings and yamux, Goldmane's posts, and faults between. */
export class Fleet {
  readonly clusters: readonly FleetCluster[];
  readonly #program: Program;
  readonly #folder: string;

  private constructor(program: Program, folder: string, clusters: readonly FleetCluster[]) {
    this.#program = program;
    this.#folder = folder;
    this.clusters = clusters;
  }

  /** Makes the clusters' keys. Nobody connects yet. @throws Error where too few files may be open. */
  static async start({ ca, serverName, ...numbers }: FleetOptions): Promise<Fleet> {
    checkDescriptors(numbers.agents * DESCRIPTORS + MORE_DESCRIPTORS);
    const program = await build();
    const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-fleet-'));
    const files = { ca: join(folder, 'ca.pem'), certificates: join(folder, 'certificates.ndjson') };
    writeFileSync(files.ca, ca);
    const flags = Object.entries({ ...numbers, ...files, 'server-name': serverName });
    const fleet = new Program(
      program,
      flags.map(([name, value]) => `-${name}=${value}`),
    );
    await fleet.next();
    const lines = readFileSync(files.certificates, 'utf8').trimEnd().split('\n');
    return new Fleet(
      fleet,
      folder,
      lines.map((line) => JSON.parse(line) as FleetCluster),
    );
  }

  /** All dial at once, and from then on for ever. */
  async connect(): Promise<void> {
    await this.#ask({ op: 'connect' });
  }

  /** The senders make flows, or make no more; those that are made are sent in any case. */
  async makeFlows(on: boolean): Promise<void> {
    await this.#ask({ op: 'flows', on });
  }

  /** So many connections are cut, as many delayed and as many frozen, a second; 0 for none. */
  async disturb(rate: number): Promise<void> {
    await this.#ask({ op: 'faults', rate });
  }

  async state(): Promise<FleetState> {
    return await this.#ask({ op: 'state' });
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    rmSync(this.#folder, { recursive: true });
  }

  async #ask(command: object): Promise<FleetState> {
    this.#program.send(command);
    return await this.#program.next<FleetState>();
  }
}

async function build(): Promise<string> {
  const files = ['go.mod', 'go.sum', ...SOURCES.map((name) => join('fleet', name))];
  const inputs = files.map((file) => readFileSync(join(MODULE, file)));
  const folder = await cached('fleet', inputs, async (target) => {
    const env = { ...process.env, CGO_ENABLED: '0' };
    await mustRun('go', ['build', '-o', join(target, 'fleet'), './fleet'], { cwd: MODULE, env });
  });
  return join(folder, 'fleet');
}

/** Go and Node.js raise their own limit as far as they may. */
function checkDescriptors(needed: number): void {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const most = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  if (most < needed) {
    throw new Error(
      `${needed} files have to be open at once and the limit is ${most}: raise it (ulimit -Hn), or run with fewer --agents`,
    );
  }
}
