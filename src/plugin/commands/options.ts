import { defineCommand } from '../command.ts';
import { GLOBAL_FLAGS } from '../global-flags.ts';
import { optionsHelp } from '../help.ts';

/** `options`: the flags that every command takes. */
export const command = defineCommand({
  args: [],
  description: 'Print the flags that every command takes.',
  examples: 'kubectl mcm options',
  flags: {},
  run: async ({ io }) => {
    io.out.write(`The following options can be passed to any command:\n\n${optionsHelp(GLOBAL_FLAGS)}\n`);
    return 0;
  },
});
