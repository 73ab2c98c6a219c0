import { SELECTOR_WORDS } from '../../logs/types/index.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import { type BoundSubject, ClusterBindings } from '../../rbac/cluster-bindings.ts';
import { nameOf } from '../../rbac/rbac-objects.ts';
import { evidenceText } from '../access/access-report.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { typesOf } from '../logs/asked-logs.ts';
import { CLUSTER_FLAGS, chosenClusters } from '../logs/chosen-clusters.ts';
import { formatTable, printable, printableJson, toYaml } from '../print.ts';

/** `who-can logs`: everybody whom a binding lets read. */
export const command = defineCommand({
  args: [],
  description: `
List who may read logs of clusters, and by which ClusterRoleBinding, role and rule. The exit code is 1 if nobody may.

It reads the bindings, for which it takes the right to list clusterroles and clusterrolebindings. A group is named as such:
who is in it is known to whatever authenticates your users. What other authorizers than RBAC allow (a webhook) is not in
the list; "kubectl mcm can-i logs --as USER" asks them all.`,
  examples: `
# Who may read the flows of prod-eu?
kubectl mcm who-can logs --cluster prod-eu --type flow

# Who may read audit logs of anything?
kubectl mcm who-can logs --all-clusters --type audit -o json`,
  flags: {
    ...CLUSTER_FLAGS,
    type: {
      type: 'string',
      value: 'TYPE',
      default: 'flow',
      completes: 'log-types',
      description: `Which logs: ${SELECTOR_WORDS.join(', ')}; several separated by commas.`,
    },
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['json', 'yaml'], description: 'Output format.' },
  },
  run: async ({ flags, global, io }) => {
    const types = typesOf(flags.type);
    const client = connect(global, io);
    const clusters = await chosenClusters(client, flags, io.signal);
    const bindings = await ClusterBindings.read(client, io.signal);
    const readers = clusters.flatMap((cluster) =>
      types.flatMap((type) => bindings.readersOf(cluster, type).map((reader) => ({ cluster, type, reader }))),
    );
    if (flags.output === 'json') io.out.write(`${printableJson(readers.map(object), 4)}\n`);
    else if (flags.output === 'yaml') io.out.write(toYaml([readers.map(object)]));
    else if (readers.length === 0) io.err.write('No resources found\n');
    else io.out.write(formatTable(['CLUSTER', 'TYPE', 'KIND', 'NAME', 'BY'], readers.map(row)));
    return readers.length === 0 ? 1 : 0;
  },
});

interface Row {
  readonly cluster: string;
  readonly type: LogType;
  readonly reader: BoundSubject;
}

function row({ cluster, type, reader }: Row): string[] {
  const { bound } = reader;
  return [cluster, type.label, bound.kind, printable(nameOf(bound)), printable(evidenceText(reader))];
}

/** For programs. `name` is what `--as` and `--as-group` take. */
function object({ cluster, type, reader: { bound, binding, role, rule } }: Row): object {
  return { cluster, type: type.name, subject: { ...bound, name: nameOf(bound) }, binding, role, rule };
}
