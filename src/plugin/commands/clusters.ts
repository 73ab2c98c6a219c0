import { MANAGED_CLUSTER_API, MANAGED_CLUSTERS_PATH, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import type { KubeList } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { humanDuration } from '../duration.ts';
import { formatTable, printList } from '../print.ts';

/** `clusters`: the managed clusters and their state. */
export const command = defineCommand({
  args: [],
  description: `
List the managed clusters and their state.

STATUS is Pending until the first records arrive, then Receiving. LAST SEEN is when the last ones did, at most a minute
behind.`,
  examples: `
kubectl mcm clusters

# Names only, for scripts
kubectl mcm clusters -o name`,
  flags: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['json', 'yaml', 'name'],
      description: 'Output format.',
    },
    'no-headers': { type: 'boolean', description: 'Print the table without its headers.' },
  },
  run: async ({ flags, global, io }) => {
    const client = connect(global, io);
    const list = await client
      .get<KubeList<ManagedCluster>>(MANAGED_CLUSTERS_PATH, { signal: io.signal })
      .catch((error: unknown) => {
        if (!isStatus(error, 404)) throw error;
        throw error.withHint('This is no management cluster yet: kubectl mcm install management --address HOST:PORT');
      });
    // Items of a list do not say their kind.
    const items = list.items.map((item) => ({ ...item, apiVersion: MANAGED_CLUSTER_API, kind: 'ManagedCluster' }));
    if (flags.output !== undefined) {
      printList(io.out, items, flags.output as 'json' | 'yaml' | 'name');
    } else if (items.length === 0) {
      io.err.write('No resources found\n');
    } else {
      const headers = ['NAME', 'STATUS', 'LAST SEEN', 'AGE'];
      const rows = items.map((item) => row(item, io.now()));
      io.out.write(flags['no-headers'] ? formatTable(rows[0] ?? [], rows.slice(1)) : formatTable(headers, rows));
    }
    return 0;
  },
});

function row({ metadata, status }: ManagedCluster, now: number): string[] {
  return [
    metadata.name,
    status?.phase ?? 'Pending',
    age(status?.lastSeen, '<never>', now),
    age(metadata.creationTimestamp, '<unknown>', now),
  ];
}

function age(time: string | undefined, missing: string, now: number): string {
  return time === undefined ? missing : humanDuration(now - Date.parse(time));
}
