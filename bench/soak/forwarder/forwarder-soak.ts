import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../../fixtures/random.ts';
import { createKeyPair, daysFromNow } from '../../../src/clusters/key-pair.ts';
import { addSender, credentialsFolder } from '../../../test/harness.ts';
import type { ServerProcess } from '../../../testbed/processes.ts';
import type { ManagerPorts, Workbench } from '../../../testbed/testbed.ts';
import { atLeast, exactly, type Finding, told } from '../finding.ts';
import { sum } from '../sum.ts';
import { FaultProxy } from './fault-proxy.ts';
import { type FaultRoundOptions, type RoundOutcome, runFaultRound } from './fault-round.ts';
import { BULK_FAULTS, MANAGER_FAULTS, otherRefusals } from './faults.ts';

export interface ForwarderSoakOptions {
  readonly workbench: Workbench;
  /** For a manager of its own. */
  readonly ports: ManagerPorts;
  /** The cluster that is registered for it. */
  readonly cluster: string;
  readonly rounds: number;
  /** Each round has the one after that of the round before. */
  readonly seed: number;
  /** How long things go wrong in a round. */
  readonly seconds: number;
  /** In one of so many rounds, requests without an answer are waited out. */
  readonly waitOutEvery: number;
  readonly tell: (text: string) => void;
}

const HOUR = 3_600_000;

/** How far the forwarder's clock may be off, in milliseconds: for longer than positions are remembered, too. */
const STEPS = [-40 * 24 * HOUR, -24 * HOUR, -5_000, 5_000, 24 * HOUR, 40 * 24 * HOUR];

/** Where the forwarder itself decides which times are taken, its clock must not be off by half a day. */
const SMALL_STEPS = [-6 * HOUR, -5_000, 5_000, 6 * HOUR];

type Way = Pick<FaultRoundOptions, 'destination' | 'proxies' | 'outage' | 'steps'>;

/** In so many rounds every kind of fault comes up. */
const ALL_KINDS = 10;

/**
 * Rounds of faults between files and a real Elasticsearch, every other one through a real manager. Resolves with what was
 * counted.
 */
export async function soakForwarder(options: ForwarderSoakOptions): Promise<Finding[]> {
  const { workbench, ports, cluster, seed } = options;
  const random = new Random(seed);
  const { elasticsearchUrl } = workbench.facts;
  const bulk = await FaultProxy.start(
    {
      upstream: { url: elasticsearchUrl },
      faults: BULK_FAULTS,
      mayFail: (path) => path.startsWith('/_bulk'),
      alter: otherRefusals,
    },
    random,
  );
  const startManager = async () => await workbench.startManager({ ports, elasticsearchUrl: `http://${bulk.address}` });
  let running: ServerProcess = await startManager();
  const outage = async (pause: number) => {
    await running.stop('SIGKILL');
    await sleep(pause);
    running = await startManager();
  };
  let manager: FaultProxy | undefined;
  try {
    const sender = await addSender(workbench, cluster);
    const { ca, certificate: cert, key, serverName } = sender.credentials;
    const request = { commonName: 'faults', dnsNames: [serverName], usages: ['server'], ca: true } as const;
    const keys = await createKeyPair({ ...request, notAfter: daysFromNow(1) });
    const upstream = { url: `https://127.0.0.1:${ports.clusters}`, tls: { ca, cert, key, servername: serverName } };
    manager = await FaultProxy.start({ upstream, keys, faults: MANAGER_FAULTS, mayFail: () => true }, random);
    const trusted = { ...sender.credentials, ca: keys.certificate };
    const credentials = credentialsFolder(sender.folder, trusted, { address: manager.address });
    const throughManager: Way = {
      destination: ['--credentials', credentials],
      proxies: { manager, Elasticsearch: bulk },
      outage,
      steps: STEPS,
    };
    const direct: Way = {
      destination: ['--elasticsearch', `http://${bulk.address}`, '--cluster', cluster],
      proxies: { Elasticsearch: bulk },
      steps: SMALL_STEPS,
    };
    return await runRounds(options, sender.folder, [direct, throughManager]);
  } finally {
    await running.stop();
    manager?.stop();
    bulk.stop();
  }
}

async function runRounds(options: ForwarderSoakOptions, folder: string, ways: readonly Way[]): Promise<Finding[]> {
  const { workbench, cluster, rounds, seed, seconds, waitOutEvery, tell } = options;
  const total = {
    records: 0,
    poisoned: 0,
    lost: 0,
    repeated: 0,
    strange: 0,
    keptOnTwoDays: 0,
    reusedInodes: 0,
    falseAlarms: 0,
  };
  const faults: Record<string, number> = {};
  const failed: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const own = { seed: seed + round - 1, folder: join(folder, `round-${round}`), waitOut: round % waitOutEvery === 0 };
    mkdirSync(own.folder);
    const started = performance.now();
    const way = ways[own.seed % ways.length] as Way;
    const outcome = await runFaultRound({ ...{ workbench, cluster, seconds }, ...way, ...own }).catch(
      (error: Error) => error,
    );
    if (outcome instanceof Error) {
      failed.push(own.seed);
      tell(`round ${round}, seed ${own.seed}: ${outcome.stack}`);
      continue;
    }
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += outcome[name];
    for (const [kind, count] of Object.entries(outcome.faults)) faults[kind] = (faults[kind] ?? 0) + count;
    const isGood = outcome.lost + outcome.repeated + outcome.strange + outcome.falseAlarms === 0;
    tell(
      `round ${round}, seed ${own.seed}: ${words(outcome, (performance.now() - started) / 1000)}${isGood ? '' : `\n${outcome.trouble.join('\n')}`}`,
    );
    if (isGood) rmSync(own.folder, { recursive: true });
    else failed.push(own.seed);
  }
  return [
    told('seed', seed),
    told('rounds', rounds),
    exactly('rounds that failed', failed.length, 0),
    ...failed.map((bad) => exactly(`failed; repeat it with --rounds 1 --seed`, bad, 0)),
    atLeast('records written', total.records, 100 * rounds),
    atLeast('lines that cannot be stored written', total.poisoned, rounds),
    atLeast('faults', sum(faults), 20 * rounds),
    exactly('lost', total.lost, 0),
    exactly('repeated', total.repeated, 0),
    exactly('stored at the wrong place', total.strange, 0),
    told('dead letters kept on two days', total.keptOnTwoDays),
    exactly('told lost although they were not', total.falseAlarms, 0),
    told('inodes that another file had before', total.reusedInodes),
    ...Object.entries(faults).map(([kind, count]) =>
      rounds < ALL_KINDS ? told(kind, count) : atLeast(kind, count, 1),
    ),
  ];
}

function words({ records, poisoned, lost, repeated, strange, faults }: RoundOutcome, seconds: number): string {
  return `${records} records and ${poisoned} poisoned lines through ${sum(faults)} faults: ${lost} lost, ${repeated} repeated, ${strange} at the wrong place, ${seconds.toFixed(0)} s`;
}
