import { UserError } from '../../errors.ts';
import { installedObjects, othersSecrets, registeredClusters } from '../../install/removal.ts';
import { objectName } from '../../kube/objects.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { tellWaiting } from '../connection/until-done.ts';
import { DRY_RUN_FLAG, DRY_RUN_SUFFIX } from '../dry-run.ts';
import { durationOf } from '../duration.ts';
import { untilGone } from '../install/until-gone.ts';

/** How many names stand in an error. */
const NAMED = 5;

/** `uninstall`: what `install management` has made goes. */
export const command = defineCommand({
  args: [],
  description: `
Take away what "kubectl mcm install management" has made: first the APIServices, since one without its backend keeps every
namespace of the cluster from being deleted, then the manager with its rights and policies, and last the keys, the
registered clusters, the volumes and the namespace, with whatever else is in it. With --keep-data these stay, and a
later install goes on with them: managed clusters connect again without new manifests.

It ends when all of that is there no longer, as "kubectl delete" does: an installation that comes too early would go with it.
What stays is named: logs in Elasticsearch, rights that people were given, and what connects managed clusters. Run again
after a failure, it goes on.`,
  examples: `
# The manager goes, and may come back: keys, clusters and what is spooled stay
kubectl mcm uninstall --keep-data

# Everything, registered clusters too
kubectl mcm uninstall --delete-clusters

# What would go?
kubectl mcm uninstall --dry-run=server`,
  flags: {
    'keep-data': {
      type: 'boolean',
      description: 'Keep the namespace, the keys, settings, registered clusters and volumes.',
    },
    'delete-clusters': {
      type: 'boolean',
      description:
        'Also where managed clusters are registered: they cannot connect any more, whatever is installed later.',
    },
    'no-wait': { type: 'boolean', description: 'Do not wait until all of it is there no longer.' },
    timeout: { type: 'string', value: 'DURATION', default: '5m', description: 'How long to wait for that.' },
    ...DRY_RUN_FLAG,
  },
  run: async ({ flags, global, io }) => {
    const { 'keep-data': keepData, 'delete-clusters': deleteClusters, 'dry-run': dryRun } = flags;
    if (keepData && deleteClusters) throw new UserError('error: --keep-data and --delete-clusters exclude one another');
    const timeout = durationOf('timeout', flags.timeout);
    const { signal } = io;
    const client = connect(global, io);
    const clusters = keepData ? [] : await registeredClusters(client, signal);
    if (clusters.length > 0 && !deleteClusters && dryRun === 'none') throw stillRegistered(clusters);
    const objects = await installedObjects(client, keepData, signal);
    if (objects.length === 0) {
      io.err.write('No resources found\n');
      return 0;
    }
    const secrets = keepData ? [] : await othersSecrets(client, signal);
    for (const object of objects) {
      if (dryRun !== 'client') await client.deleteIfThere(object, { dryRun: dryRun === 'server', signal });
      io.out.write(`${objectName(object)} deleted${DRY_RUN_SUFFIX[dryRun]}\n`);
    }
    const withNamespace = [...clusters.map((name) => `managedcluster/${name}`), ...secrets];
    if (withNamespace.length > 0) io.err.write(`With them: ${withNamespace.join(', ')}\n`);
    io.err.write(keepData ? WHAT_IS_KEPT : WHAT_STAYS);
    if (dryRun !== 'none' || flags['no-wait']) return 0;
    await untilGone(client, objects, { timeout, onWaiting: tellWaiting(io.err), signal });
    return 0;
  },
});

function stillRegistered(clusters: readonly string[]): UserError {
  const named = clusters.slice(0, NAMED).join(', ');
  const more = clusters.length > NAMED ? ` and ${clusters.length - NAMED} more` : '';
  return new UserError(`error: managed clusters are registered: ${named}${more}`, {
    hint: 'remove them first (kubectl mcm remove-cluster), or give --delete-clusters, or --keep-data to install again later',
  });
}

const OUTSIDE =
  'the logs in Elasticsearch, the rights to read them, and what connects each managed cluster (ManagementClusterConnection and its Secrets)';

const WHAT_STAYS = `What stays: ${OUTSIDE}\n`;

const WHAT_IS_KEPT = `What stays: the namespace kubectl-mcm with keys, settings and volumes, the registered clusters, ${OUTSIDE}\n`;
