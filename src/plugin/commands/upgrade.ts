import { NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { readManagementConfig } from '../../install/management-config.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import {
  givenFlags,
  MANAGEMENT_FLAGS,
  type ManagementFlags,
  onlyFlags,
  readManagementRequest,
} from '../install/management-flags.ts';
import { INSTALL_FLAGS, runInstall } from '../install/run-install.ts';

/** `upgrade`: the same installation, with another image or other flags. */
export const command = defineCommand({
  args: [],
  description: `
Install this version of the management plane over the one that is there, with the flags that "kubectl mcm install
management" was given; flags that are given now replace those. The manager is replaced by its StatefulSet, one pod after
the other; what is under way meanwhile is sent again by whoever sent it, and Guardian connects again.

What outlives a version has a number: the CustomResourceDefinition, the manager's spool, a forwarder's state. A version
that finds one of a newer version refuses to go on, so that nothing is misread; this command does before it changes
anything.`,
  examples: `
# The manager of this version
kubectl mcm upgrade --image registry.example.com/kubectl-mcm:0.2.0

# What would change?
kubectl mcm upgrade --image registry.example.com/kubectl-mcm:0.2.0 --dry-run=server

# More memory, and the rest as it is
kubectl mcm upgrade --memory 4Gi`,
  flags: { ...MANAGEMENT_FLAGS, ...INSTALL_FLAGS },
  run: async ({ flags, global, io }) => {
    const config = await readManagementConfig(connect(global, io), io.signal);
    if (config?.flags === undefined) throw notInstalled(config !== undefined);
    const request = readManagementRequest(merged(config.flags, config.address, flags));
    await runInstall(request, flags, global, io);
    if (flags['dry-run'] === 'none' && 'pod' in request.manager) {
      io.err.write(`Next: kubectl rollout status statefulset/manager -n ${NAMESPACE}\n`);
    }
    return 0;
  },
});

function merged(kept: string, address: string | undefined, given: ManagementFlags): ManagementFlags {
  return onlyFlags({ ...(JSON.parse(kept) as Partial<ManagementFlags>), address, ...givenFlags(given) });
}

function notInstalled(isOld: boolean): UserError {
  return isOld
    ? new UserError('error: a version before this one did not write down its flags', {
        hint: 'run "kubectl mcm install management" once, with the flags that it was given',
      })
    : new UserError('error: this is no management cluster yet', { hint: 'run: kubectl mcm install management --help' });
}
