import { objectName } from '../../kube/objects.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { changeSpec, registeredCluster } from '../connection/registered-cluster.ts';
import { DRY_RUN_FLAG, DRY_RUN_SUFFIX } from '../dry-run.ts';

/** `revoke NAME`: no certificate speaks for the cluster any more. */
export const command = defineCommand({
  args: ['NAME'],
  completes: ['managed-clusters'],
  description: `
Take all its certificates from a managed cluster, for example because its keys have been stolen. Its tunnel and its
uploads are closed within a second, and nothing more is taken from it, until it gets new keys.

The cluster stays registered, with its logs and the rights to read them. Log files that its forwarders have not shipped
wait in the managed cluster.`,
  examples: `
kubectl mcm revoke prod-eu

# Connect it again, with new keys
kubectl mcm reissue prod-eu --managed-context prod-eu`,
  flags: DRY_RUN_FLAG,
  run: async ({ args, flags, global, io }) => {
    const [name = ''] = args;
    const management = connect(global, io);
    const cluster = await registeredCluster(management, name, io.signal);
    const dryRun = flags['dry-run'];
    const suffix = DRY_RUN_SUFFIX[dryRun];
    if (cluster.spec.certificate === undefined) {
      io.out.write(`${objectName(cluster)} unchanged${suffix}\n`);
      return 0;
    }
    if (dryRun !== 'client') {
      const options = { dryRun: dryRun === 'server', signal: io.signal };
      await changeSpec(management, cluster, { certificate: null, retiring: null }, options);
    }
    io.out.write(`${objectName(cluster)} revoked${suffix}\n`);
    io.err.write(`Next: kubectl mcm reissue ${name}, or kubectl mcm remove-cluster ${name}\n`);
    return 0;
  },
});
