import {
  MANAGED_CLUSTER_API,
  MANAGED_CLUSTERS_PATH,
  type ManagedCluster,
  type SpooledStatus,
} from '../../clusters/managed-cluster.ts';
import type { KubeList } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { humanDuration } from '../duration.ts';
import { CLUSTER_FLAGS } from '../logs/chosen-clusters.ts';
import { NO_MANAGEMENT_CLUSTER } from '../no-management.ts';
import { formatTable, printable, printList } from '../print.ts';
import { humanBytes } from '../stored-days.ts';

/** `clusters`: the managed clusters and their state. */
export const command = defineCommand({
  args: [],
  description: `
List the managed clusters and their state.

STATUS is Connected or Disconnected for a cluster that has a tunnel (Guardian's, or our agent's); before it had one,
Pending, or Receiving once records of its forwarder arrive. LAST SEEN is when anything last came from it, at most a minute
behind. With -o wide: since when it is connected or not, the round trip, Calico's version, how long its certificate is
good for, how many of its records wait in the manager's spool (their size, and for how long the oldest has waited; up to
a minute behind, see "kubectl mcm status"), how often it connected again, and why it last was disconnected or refused.`,
  examples: `
kubectl mcm clusters

# Why is a cluster not connected?
kubectl mcm clusters -o wide

# Those with a label that add-cluster -l gave
kubectl mcm clusters -l tier=edge

# Names only, for scripts
kubectl mcm clusters -o name`,
  flags: {
    selector: CLUSTER_FLAGS.selector,
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['wide', 'json', 'yaml', 'name'],
      description: 'Output format; wide tells more of the connection.',
    },
    'no-headers': { type: 'boolean', description: 'Print the table without its headers.' },
  },
  run: async ({ flags, global, io }) => {
    const client = connect(global, io);
    const list = await client
      .get<KubeList<ManagedCluster>>(MANAGED_CLUSTERS_PATH, {
        query: { labelSelector: flags.selector },
        signal: io.signal,
      })
      .catch((error: unknown) => {
        if (!isStatus(error, 404)) throw error;
        throw error.withHint(NO_MANAGEMENT_CLUSTER);
      });
    // Items of a list do not say their kind.
    const items = list.items.map((item) => ({ ...item, apiVersion: MANAGED_CLUSTER_API, kind: 'ManagedCluster' }));
    const wide = flags.output === 'wide';
    if (flags.output !== undefined && !wide) {
      printList(io.out, items, flags.output as 'json' | 'yaml' | 'name');
    } else if (items.length === 0) {
      io.err.write('No resources found\n');
    } else {
      const headers = [...HEADERS, ...(wide ? WIDE_HEADERS : [])];
      const rows = items.map((item) => [...row(item, io.now()), ...(wide ? wideRow(item, io.now()) : [])]);
      io.out.write(flags['no-headers'] ? formatTable(rows[0] ?? [], rows.slice(1)) : formatTable(headers, rows));
    }
    return 0;
  },
});

const HEADERS = ['NAME', 'STATUS', 'LAST SEEN', 'AGE'];

function row({ metadata, status }: ManagedCluster, now: number): string[] {
  return [
    metadata.name,
    status?.phase ?? 'Pending',
    age(status?.lastSeen, '<never>', now),
    age(metadata.creationTimestamp, '<unknown>', now),
  ];
}

/** What `-o wide` adds. SINCE is how long it has been connected, or disconnected. */
const WIDE_HEADERS = [
  'SINCE',
  'ROUND TRIP',
  'CALICO',
  'NAMESPACES',
  'CERTIFICATE',
  'SPOOLED',
  'RECONNECTS',
  'LAST ERROR',
];

function wideRow({ status = {} }: ManagedCluster, now: number): string[] {
  const { since, roundTripMilliseconds, reconnects, lastError } = status.connection ?? {};
  return [
    age(since, '<never>', now),
    roundTripMilliseconds === undefined ? '<unknown>' : `${roundTripMilliseconds}ms`,
    status.calicoVersion ?? '<unknown>',
    status.namespaces === undefined ? '<unknown>' : String(status.namespaces),
    daysLeft(status.certificateExpires, now),
    spooled(status.spooled, now),
    String(reconnects ?? 0),
    lastError ?? '<none>',
  ].map(printable);
}

function daysLeft(expires: string | undefined, now: number): string {
  if (expires === undefined) return '<none>';
  const left = Date.parse(expires) - now;
  return left <= 0 ? 'expired' : `${Math.floor(left / 86_400_000)}d left`;
}

/** `10000 (2.4MiB, 4m12s)` */
function spooled(waiting: SpooledStatus | undefined, now: number): string {
  if (waiting === undefined) return '0';
  return `${waiting.records} (${humanBytes(waiting.bytes)}, ${age(waiting.since, '', now)})`;
}

function age(time: string | undefined, missing: string, now: number): string {
  return time === undefined ? missing : humanDuration(now - Date.parse(time));
}
