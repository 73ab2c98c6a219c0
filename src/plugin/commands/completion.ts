import { defineCommand } from '../command.ts';
import { SCRIPTS, SHELLS } from '../completion/scripts.ts';
import { UsageError } from '../parse.ts';

/** `completion`: what makes a shell complete commands, flags and names. */
export const command = defineCommand({
  args: ['SHELL'],
  completes: [SHELLS],
  description: `
Print a script by which a shell (bash, zsh, fish, powershell) completes what is typed behind "kubectl-mcm": commands,
flags, clusters, log types, formats, contexts, times, and field names within queries.

Behind "kubectl mcm" it is kubectl that completes ("kubectl completion --help"). It asks the program kubectl_complete-mcm,
which npm installs together with the plugin. Where something else installed it, as krew, which knows of no second program,
"completion kubectl" prints one to put on the PATH.

Names of clusters are those that you may list; the API server has a second to answer, and is asked again after 30.`,
  examples: `
# For this bash; to keep it, the same line in ~/.bashrc
source <(kubectl-mcm completion bash)

# zsh
source <(kubectl-mcm completion zsh)

# fish
kubectl-mcm completion fish > ~/.config/fish/completions/kubectl-mcm.fish

# PowerShell
kubectl-mcm completion powershell | Out-String | Invoke-Expression

# "kubectl mcm" where krew has installed it
kubectl mcm completion kubectl > ~/.local/bin/kubectl_complete-mcm && chmod +x ~/.local/bin/kubectl_complete-mcm`,
  flags: {},
  run: async ({ args: [name = ''], io }) => {
    const shell = SHELLS.find((one) => one === name);
    if (shell === undefined) {
      throw new UsageError(`unsupported shell type "${name}": must be one of ${SHELLS.join(', ')}`, 'completion');
    }
    io.out.write(SCRIPTS[shell]);
    return 0;
  },
});
