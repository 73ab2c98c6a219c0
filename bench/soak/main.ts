// npm run soak -- tunnel [--agents N] [--minutes M]
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Testbed } from '../../testbed/testbed.ts';
import { findingsTable } from './finding.ts';
import { INSPECTABLE } from './inspector.ts';
import { soakTunnels } from './tunnel-soak.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { agents: { type: 'string', default: '5000' }, minutes: { type: 'string', default: '10' } },
});
const [agents, minutes] = [Number(values.agents), Number(values.minutes)];
if (positionals.join() !== 'tunnel' || !(agents >= 1) || !(minutes > 0)) {
  process.stderr.write('usage: npm run soak -- tunnel [--agents N] [--minutes M]\n');
  process.exitCode = 1;
} else {
  await main();
}

async function main(): Promise<void> {
  const started = performance.now();
  const tell = (text: string) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
    const load = loadavg()[0]?.toFixed(1);
    process.stderr.write(`${seconds} s, load ${load}: ${text}\n`);
  };
  const testbed = await Testbed.start([], tell);
  try {
    const { address, apiAddress } = testbed;
    await testbed.mustKubectl(['mcm', 'install', 'management', '--address', address, '--external-manager', apiAddress]);
    const findings = await soakTunnels({
      workbench: testbed,
      ports: testbed.facts.managerPorts,
      startManager: () => testbed.startManager({ env: INSPECTABLE }),
      prefix: 'soak',
      agents,
      // With an index for each cluster and day, more would be a test of Elasticsearch.
      senders: Math.min(agents, 20),
      seconds: minutes * 60,
      faultsPerSecond: agents / 1_000,
      rest: 30,
      patience: 300,
      tell,
    });
    process.stdout.write(findingsTable(findings));
    process.exitCode = findings.every(({ ok }) => ok) ? 0 : 1;
  } finally {
    await testbed.stop();
  }
}
