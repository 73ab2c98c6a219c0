import { NAMESPACE_FLAG, serviceAccountOf } from '../access/service-account.ts';
import { writeObjects } from '../access/write-objects.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { DRY_RUN_FLAG } from '../dry-run.ts';

/** `create-user NAME`: a ServiceAccount of the management cluster for somebody. */
export const command = defineCommand({
  args: ['NAME'],
  description: `
Create a user where the management cluster knows no users by other means: a ServiceAccount, which has no rights until it
is given some ("kubectl mcm grant", "kubectl mcm bind-user"). "kubectl mcm token" makes what they log in with.

Where people log in by certificates, OIDC or a cloud's accounts, there is nothing to create: grant rights to the name that
"kubectl auth whoami" prints for them.`,
  examples: `
kubectl mcm create-user jane
kubectl mcm grant --serviceaccount default:jane --cluster prod-eu --type flow,dns
kubectl mcm token jane --duration 8h`,
  flags: { ...NAMESPACE_FLAG, ...DRY_RUN_FLAG },
  run: async ({ args, flags, global, io }) => {
    const [name = ''] = args;
    const account = serviceAccountOf(name, flags.namespace);
    const client = connect(global, io);
    await writeObjects([{ client, objects: [account], where: '' }], flags['dry-run'], io);
    const who = `--serviceaccount ${flags.namespace}:${name}`;
    io.err.write(`Next: kubectl mcm grant ${who} --cluster CLUSTER --type flow, then kubectl mcm token ${name}\n`);
    return 0;
  },
});
