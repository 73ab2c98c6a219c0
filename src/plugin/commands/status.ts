import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { printableJson, toYaml } from '../print.ts';
import { readPlane } from '../status/plane.ts';
import { exitCodeOf, isEmpty, type PlaneStatus, planeStatus } from '../status/plane-status.ts';
import { statusReport } from '../status/status-report.ts';

/** `status`: how the management plane is. */
export const command = defineCommand({
  args: [],
  description: `
Show on one screen how the management plane is: the manager, the clusters, the log store, what waits in the manager's
spool, what was set aside in the last 24 hours; and at the end what is wrong, where, and what to do about it.

HELD BACK BY says what keeps records of a cluster and log type from being stored; with <none> they are on their way.

It takes the right to list "managers" in the API group logs.kubectl-mcm.io, and "managedclusters" in kubectl-mcm.io; the
ClusterRole kubectl-mcm-viewer has both. Without one of them the rest is shown. No record of a log is.

The exit code is 1 when something is wrong (an error; warnings are not counted) or nothing could be read, and 3 when
nothing is wrong in what could be read, but that is not all.`,
  examples: `
kubectl mcm status

# Let somebody see it who may read no logs
kubectl create clusterrolebinding jane-sees-mcm --clusterrole kubectl-mcm-viewer --user jane

# What is wrong, for scripts
kubectl mcm status -o json | jq -r '.problems[].reason'`,
  flags: {
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['json', 'yaml'], description: 'Output format.' },
  },
  run: async ({ flags, global, io }) => {
    const plane = await readPlane(connect(global, io), io.signal);
    const status = planeStatus(plane, io.now());
    if (!isEmpty(status)) io.out.write(print(status, flags.output, io.now()));
    for (const { message } of status.notRead) io.err.write(`${message}\n`);
    if (status.notRead.length > 0) io.err.write('The ClusterRole kubectl-mcm-viewer has the rights that it takes.\n');
    return exitCodeOf(status);
  },
});

function print(status: PlaneStatus, output: string | undefined, now: number): string {
  if (output === 'json') return `${printableJson(status)}\n`;
  return output === 'yaml' ? toYaml([status]) : statusReport(status, now);
}
