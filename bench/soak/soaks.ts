import { Testbed } from '../../testbed/testbed.ts';
import { soakBacklog } from './backlog-soak.ts';
import type { Finding } from './finding.ts';
import { soakForwarder } from './forwarder/forwarder-soak.ts';
import { soakParsers } from './fuzz-soak.ts';
import { soakIngest } from './ingest-soak.ts';
import { INSPECTABLE } from './inspector.ts';
import { soakTunnels } from './tunnel-soak.ts';

type Numbers = Readonly<Record<string, number>>;

/** Something that runs for long, and counts. */
export interface Soak<Flags extends Numbers = Numbers> {
  /** What can be set, each a number greater than 0, and what it is otherwise. */
  readonly flags: Flags;
  readonly run: (numbers: Flags, tell: (text: string) => void) => Promise<Finding[]>;
}

function soak<Flags extends Numbers>(flags: Flags, run: Soak<Flags>['run']): Soak {
  return { flags, run: run as unknown as Soak['run'] };
}

/** Another one each time; it is told. */
const SEED = 1 + (Date.now() % 1_000_000);

export const SOAKS: Readonly<Record<string, Soak>> = {
  tunnel: soak({ agents: 5_000, minutes: 10 }, async ({ agents, minutes }, tell) =>
    withTestbed(tell, (testbed) =>
      soakTunnels({
        workbench: testbed,
        ports: testbed.facts.managerPorts,
        startManager: () => testbed.startManager({ env: INSPECTABLE }),
        prefix: 'soak',
        agents,
        // With an index for each cluster and day, more would be a test of Elasticsearch.
        senders: Math.min(agents, 20),
        seconds: minutes * 60,
        // In ten minutes each tunnel is replaced about five times: until then resident memory grows to what the allocator
        // keeps, whatever leaks.
        faultsPerSecond: agents / 250,
        rest: 30,
        patience: 300,
        tell,
      }),
    ),
  ),
  forwarder: soak({ rounds: 200, seed: SEED, seconds: 10 }, async (numbers, tell) =>
    withTestbed(tell, (workbench) => {
      const ports = workbench.facts.managerPorts;
      return soakForwarder({ workbench, ports, cluster: 'soak', ...numbers, waitOutEvery: 20, tell });
    }),
  ),
  backlog: soak({ lines: 10_000_000 }, async ({ lines }, tell) =>
    withTestbed(tell, (workbench) => soakBacklog({ workbench, lines, tell })),
  ),
  fuzz: soak({ minutes: 10, seed: SEED }, async ({ minutes, seed }, tell) => soakParsers(minutes, seed, tell)),
  ingest: soak({ clusters: 10, minutes: 10, seed: SEED }, async ({ clusters, minutes, seed }, tell) =>
    withTestbed(tell, async (workbench) => {
      // Of which the one with the spool is the second.
      await workbench.startManager();
      return await soakIngest({ workbench, prefix: 'soak', clusters, seconds: minutes * 60, seed, tell });
    }),
  ),
};

/** Real servers, with a management cluster that is installed and whose manager is still to be started. */
async function withTestbed<T>(tell: (text: string) => void, work: (testbed: Testbed) => Promise<T>): Promise<T> {
  const testbed = await Testbed.start([], tell);
  try {
    const { address, apiAddress } = testbed;
    await testbed.mustKubectl(['mcm', 'install', 'management', '--address', address, '--external-manager', apiAddress]);
    return await work(testbed);
  } finally {
    await testbed.stop();
  }
}
