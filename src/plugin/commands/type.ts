import { type ClusterTypeReport, readClusterType } from '../../install/cluster-type.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { formatTable, printable, printableJson } from '../print.ts';

/** `type`: what the current cluster is among others. */
export const command = defineCommand({
  args: [],
  description: `
Say what the current cluster is: Standalone, Management, Managed, or Invalid where what is in it contradicts itself; and
which objects say so. It knows what kubectl-mcm and tigera-operator write (ManagementCluster, ManagementClusterConnection),
and the field clusterManagementType of Calico Enterprise 3.0 and 3.1.

It takes the right to read these objects; where one is refused, nothing is guessed. The exit code is 1 for Invalid.`,
  examples: `
kubectl mcm type --context prod-eu

# One word, for scripts
kubectl mcm type -o json | jq -r .type`,
  flags: {
    output: { type: 'string', short: 'o', value: 'json', choices: ['json'], description: 'Print all of it as JSON.' },
  },
  run: async ({ flags, global, io }) => {
    const report = await readClusterType(connect(global, io), io.signal);
    io.out.write(flags.output === 'json' ? `${printableJson(report, 4)}\n` : reportText(report));
    for (const problem of report.problems) io.err.write(`error: ${printable(problem)}\n`);
    return report.type === 'Invalid' ? 1 : 0;
  },
});

const NOTHING =
  'nothing in it makes it a management or managed cluster: no ManagementCluster or ManagementClusterConnection of tigera-operator, and neither manager, agent nor forwarder of kubectl-mcm';

function reportText({ type, evidence }: ClusterTypeReport): string {
  if (evidence.length === 0) return `${type}: ${NOTHING}\n`;
  const rows = evidence.map(({ object, namespace, says, dialect }) =>
    [object, namespace ?? '<none>', says, dialect].map(printable),
  );
  return `${type}\n\n${formatTable(['EVIDENCE', 'NAMESPACE', 'SAYS', 'DIALECT'], rows)}`;
}
