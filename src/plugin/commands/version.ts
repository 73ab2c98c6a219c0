import packageJson from '../../../package.json' with { type: 'json' };
import { defineCommand } from '../command.ts';

/** `version`: which build this is. */
export const command = defineCommand({
  args: [],
  description: 'Print the version of kubectl-mcm.',
  examples: 'kubectl mcm version',
  flags: {},
  run: async ({ io }) => {
    io.out.write(`kubectl-mcm v${packageJson.version} (Node.js ${process.version})\n`);
    return 0;
  },
});
