import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { LOG_TYPES, SELECTOR_WORDS } from '../../logs/types/index.ts';
import { type AllRights, LogRights } from '../../rbac/log-rights.ts';
import { Turns } from '../../turns.ts';
import {
  type AccessReport,
  accessTable,
  chain,
  explain,
  reportObject,
  whoIs,
  whyNot,
} from '../access/access-report.ts';
import { defineCommand, type FlagValues, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { typesOf } from '../logs/asked-logs.ts';
import { CLUSTER_FLAGS, chosenClusters } from '../logs/chosen-clusters.ts';
import { printable, toYaml } from '../print.ts';

/** Reviews at once. */
const MOST_AT_ONCE = 8;

/** `can-i logs`: what RBAC lets the caller, or somebody else, read. */
export const command = defineCommand({
  args: [],
  description: `
Say whether you may read logs of clusters: "yes" (exit code 0) or "no" (1), and on stderr which binding says so, or which
would be needed. For several clusters or types it is a table, and the exit code is 0 if all of it is allowed.

It asks the API server what that would allow: to you or, with --as and --as-group, to somebody else, whom you need the
right to impersonate. The binding is the one that the API server names; the rule in it is shown where
you yourself may read ClusterRoles.

--list shows all that may be read, of whichever clusters ("*" are all there are and will be).`,
  examples: `
# May I read the audit logs of prod-eu?
kubectl mcm can-i logs --type audit --cluster prod-eu

# May alice, who is in the group store, read the flows and DNS logs of all production clusters, and if so why?
kubectl mcm can-i logs --type flow,dns --cluster 'prod-*' --as alice --as-group store

# What may alice read?
kubectl mcm can-i logs --list --as alice

# For programs: who, why, and the objects that are missing
kubectl mcm can-i logs --cluster prod-eu --as alice -o json`,
  flags: {
    ...CLUSTER_FLAGS,
    type: {
      type: 'string',
      value: 'TYPE',
      completes: 'log-types',
      description: `Type of log, or several (flow,dns): ${SELECTOR_WORDS.join(', ')}. Default: flow, or all with --list.`,
    },
    list: { type: 'boolean', description: 'Show all that may be read.' },
    quiet: { type: 'boolean', short: 'q', description: 'Print nothing; the exit code says it.' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['json', 'yaml'],
      description: 'Print all that is known of it.',
    },
  },
  run: async ({ flags, global, io }) => {
    const client = connect(global, io);
    const { rights, incomplete } = await rightsOf(client, flags, io);
    const allowed = rights.length > 0 && rights.every((right) => right.allowed);
    if (flags.quiet) return allowed ? 0 : 1;
    const user = (await whoIs(client, io.signal)) ?? global.kube.as ?? 'USER';
    // Why somebody may, is read by who asks: those whom it is about seldom may read roles.
    const asker = connect({ ...global, kube: { ...global.kube, as: undefined, asGroups: [], asUid: undefined } }, io);
    const report = await explain(rights, user, asker, io.signal);
    if (incomplete !== undefined) io.err.write(`warning: the list may be incomplete: ${printable(incomplete)}\n`);
    if (flags.output === 'json') io.out.write(`${JSON.stringify(reportObject(report), undefined, 4)}\n`);
    else if (flags.output === 'yaml') io.out.write(toYaml([reportObject(report)]));
    else if (flags.list) list(report, io);
    else if (isOneQuestion(report, flags.type)) answer(report, allowed, io);
    else table(report, io);
    return allowed ? 0 : 1;
  },
});

async function rightsOf(
  client: KubeClient,
  flags: FlagValues<typeof CLUSTER_FLAGS> & { readonly type: string | undefined; readonly list: boolean },
  io: Io,
): Promise<AllRights> {
  const turns = new Turns({ atOnce: MOST_AT_ONCE, waiting: Number.POSITIVE_INFINITY });
  const rights = new LogRights(client, turns, io.signal);
  if (!flags.list) {
    const types = typesOf(flags.type ?? 'flow');
    const clusters = await chosenClusters(client, flags, io.signal);
    const asked = clusters.flatMap((cluster) => types.map((type) => rights.may(cluster, type)));
    return { rights: await Promise.all(asked), incomplete: undefined };
  }
  if (flags.cluster.length > 0 || flags.selector !== undefined || flags['all-clusters']) {
    throw new UserError(
      'error: --list is of all clusters there are; leave --cluster, --selector and --all-clusters out',
    );
  }
  return await rights.all(flags.type === undefined ? LOG_TYPES : typesOf(flags.type));
}

/** One cluster and one word for a type, though that may be two log types (audit). */
function isOneQuestion({ rights }: AccessReport, type = ''): boolean {
  return !type.includes(',') && new Set(rights.map(({ cluster }) => cluster)).size === 1;
}

function list({ rights }: AccessReport, io: Io): void {
  if (rights.length === 0) io.err.write('No resources found\n');
  else io.out.write(accessTable(rights));
}

function table(report: AccessReport, io: Io): void {
  io.out.write(accessTable(report.rights));
  writeNeeded(report, io);
}

function answer(report: AccessReport, allowed: boolean, io: Io): void {
  io.out.write(allowed ? 'yes\n' : 'no\n');
  // audit is two log types, which may be granted by themselves.
  for (const right of report.rights) {
    const type = report.rights.length === 1 ? '' : `${right.type.label}: `;
    io.err.write(`${type}${printable(right.allowed ? chain(right) : whyNot(right))}\n`);
  }
  writeNeeded(report, io);
}

function writeNeeded({ user, needed }: AccessReport, io: Io): void {
  if (needed.length === 0) return;
  io.err.write(`To allow it to ${printable(user)}, apply:\n\n${toYaml(needed)}`);
}
