import { Fields } from '../../logs/types/field.ts';
import { flows } from '../../logs/types/flows.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { CLUSTER_FLAGS, chosenClusters, unnamedHint } from '../logs/chosen-clusters.ts';
import { yamlOf } from '../logs/log-printer.ts';
import { PARTIAL, warningsOf } from '../logs/shortcomings.ts';
import { TIME_FLAGS, timeRange } from '../logs/time-flags.ts';
import { printableJson } from '../print.ts';
import { flowsBetween, parseDestination, parseEndpoint } from '../why-denied/endpoint.ts';
import { findOut } from '../why-denied/findings.ts';
import { reportObject, reportText } from '../why-denied/report.ts';

const DEFAULT_SINCE = '1h';

/** `why-denied`: which policies denied connections, since when, and who changed them before. */
export const command = defineCommand({
  args: ['SRC', 'DST[:PORT]'],
  completes: ['logged-pod', 'logged-pod'],
  description: `
Show which policies denied connections from SRC to DST: tier by tier, at which end, how many, since when, and who changed
these policies (or their tiers) in the 24 hours before. What staged policies would deny is shown as well.

SRC and DST are NAMESPACE/POD (the beginning of its name is enough), an IP address, a network (10.0.0.0/8), public or
private (addresses outside of the cluster). Aggregated flow logs name pods by the beginnings of their names, as
store/frontend-754cdbf884-*, and have no addresses.

A policy denies by a rule of it, or by the end of its tier: where policies of a tier apply to a pod and no rule of them
matches, the tier's default action is what counts, which is Deny unless the tier says otherwise.

Where nothing was denied it says so, and what was seen instead. Flow logs are needed, and read as RBAC lets you; audit
logs (audit_ee for Calico's policies, audit_kube for Kubernetes') only for who changed what: where RBAC refuses them that is
said on stderr, and the exit code is 3.`,
  examples: `
# Why does the frontend not reach its cache?
kubectl mcm why-denied store/frontend store/redis:6379 --cluster prod-eu

# Who may not go out to the internet?
kubectl mcm why-denied store/checkout public:443 --cluster prod-eu --since 1d

# For scripts
kubectl mcm why-denied store/frontend 10.96.14.20 --cluster prod-eu -o json`,
  flags: {
    ...CLUSTER_FLAGS,
    ...TIME_FLAGS,
    since: {
      ...TIME_FLAGS.since,
      description: TIME_FLAGS.since.description.replace(
        /Without.*/,
        `Without it and --until: the last ${DEFAULT_SINCE}.`,
      ),
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['json', 'yaml'],
      description: 'Output format; without it, sentences for people.',
    },
    utc: { type: 'boolean', description: 'Show times in UTC instead of the local time zone.' },
  },
  run: async ({ args: [from = '', to = ''], flags, global, io }) => {
    const source = parseEndpoint(from);
    const destination = parseDestination(to);
    const between = flowsBetween(Fields.of([flows]), source, destination);
    const isTimed = [flags.since, flags['since-time'], flags.until].some((flag) => flag !== undefined);
    const range = timeRange({ ...flags, ...(isTimed ? {} : { since: DEFAULT_SINCE }) }, false, io.now());
    const client = connect(global, io);
    const clusters = await chosenClusters(client, flags, io.signal);
    const findings = await findOut(client, { ...range, clusters, between }, io.signal);
    const question = { source, destination, clusters, ...range };
    if (flags.output === undefined) {
      io.out.write(reportText(question, findings, { format: 'short', utc: flags.utc, now: io.now() }));
    } else {
      const object = reportObject(question, findings);
      io.out.write(flags.output === 'json' ? `${printableJson(object, 4)}\n` : yamlOf(object));
    }
    if (findings.denials.length === 0) io.err.write(unnamedHint(flags, clusters));
    const warnings = [
      ...warningsOf(findings.shortcomings, io.now()),
      ...(findings.isCut
        ? ['warning: there are more records than were looked at, which are the newest; ask for less time\n']
        : []),
    ];
    for (const warning of warnings) io.err.write(warning);
    return warnings.length === 0 ? 0 : PARTIAL;
  },
});
