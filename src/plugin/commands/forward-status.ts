import { resolve } from 'node:path';
import { readForwardConfig } from '../../logs/forward/config.ts';
import { readForwardStatus } from '../../logs/forward/forward-status.ts';
import { defineCommand } from '../command.ts';
import { DEFAULT_STATE } from '../forward-options.ts';
import { statusTable } from '../forward-status-report.ts';
import { printable, printableJson, toYaml } from '../print.ts';

/** `forward status`: how far a node's forwarder is. */
export const command = defineCommand({
  args: [],
  description: `
Show how far a node's forwarder is: what it ships from each file, what keeps it, and what waits.

It reads the forwarder's state directory and the files, and asks the forwarder itself where it serves health
(--health-listen). Nothing is locked or changed, so it can be used while a forwarder is at work, and when none is.

ACKNOWLEDGED is the offset up to which everything is stored, set aside, or in the spool; LAG counts the bytes of complete
lines after it; AGE is that of the last acknowledgement. STATE is following; held back, and why; finished, for a file that
rotation has moved away and of which nothing is left; or gone. Below: what is in the spool (of files that are gone before
they were shipped), what was set aside as no records, and the gaps, of records that were lost, that are not shipped yet.

The exit code is 0 also when the forwarder is behind.`,
  examples: `
kubectl mcm forward status

# In the forwarder's pod on a node
kubectl exec -n kubectl-mcm POD -- kubectl-mcm forward status -o json`,
  flags: {
    config: { type: 'string', value: 'FILE', description: "The forwarder's configuration file, for its state." },
    state: {
      type: 'string',
      value: 'DIR',
      description: `The forwarder's state directory (default ${DEFAULT_STATE}).`,
    },
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['json', 'yaml'], description: 'Output format.' },
  },
  run: async ({ flags, io }) => {
    const configured = flags.config === undefined ? undefined : readForwardConfig(flags.config).state;
    const warn = (text: string) => io.err.write(`warning: ${printable(text)}\n`);
    const state = resolve(flags.state ?? configured ?? DEFAULT_STATE);
    const status = await readForwardStatus(state, warn, io.signal);
    if (flags.output === 'json') io.out.write(`${printableJson(status)}\n`);
    else if (flags.output === 'yaml') io.out.write(toYaml([status]));
    else io.out.write(statusTable(status, io.now()));
    return 0;
  },
});
