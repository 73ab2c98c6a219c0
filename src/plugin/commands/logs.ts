import { isClusterName } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { DEFAULT_LIMIT, ORDERS, type Order } from '../../logs/query/log-query.ts';
import { RESOURCE_NAMES, SELECTOR_WORDS } from '../../logs/types/index.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { type AskedLogs, filterFor, ofSource, printAsked, QUESTION_FLAGS, typesOf } from '../logs/asked-logs.ts';
import { CLUSTER_FLAGS, chosenClusters, unnamedHint } from '../logs/chosen-clusters.ts';
import { usesColours } from '../logs/colours.ts';
import { FILTER_FLAGS } from '../logs/filter-flags.ts';
import { followLogs } from '../logs/follow-logs.ts';
import { type LineWidth, newPrinter, OUTPUT_FORMATS } from '../logs/log-printer.ts';
import { PARTIAL, warningsOf } from '../logs/shortcomings.ts';
import { showLogs } from '../logs/shown-logs.ts';
import { DEFAULT_SINCE, TIME_FLAGS, timeRange } from '../logs/time-flags.ts';
import { TIME_FORMATS, type TimeFormat } from '../logs/time-words.ts';
import { isUtf8 } from '../utf8.ts';

/** `logs`: what RBAC lets the caller see of clusters' logs. */
export const command = defineCommand({
  args: [],
  description: `
Show logs of clusters: who talked to whom (flow), what was asked of DNS (dns), who changed what (audit), and whatever else
Calico logs (--type). The newest last.

What you may see is decided by Kubernetes RBAC in the management cluster: apiGroup lma.tigera.io, the cluster as
resource, verb get, and as resource name one that covers the log type:
${RESOURCE_NAMES.join(', ')}
(audit* and audit are both audit logs, * is everything).

Logs of all namespaces are shown, whatever the kubeconfig's namespace is. A flag that is repeated asks for any of its
values; different flags are asked for together, and so is -q, which takes the query language of Calico's GlobalAlerts:
comparisons (=, !=, <, <=, >, >=), IN and NOTIN with a set whose words may have * and ?, AND, OR, NOT and parentheses.
--not before a flag that filters turns it round. A record that does not have a field is not what is asked for, and so it
is what --not and != ask for.

What cannot be shown (a cluster or type that RBAC refuses, what a disconnected cluster or a forwarder still has, records
that wait in the manager's spool, records that were lost) is named on stderr, and the exit code is 3. The store shows new
records about a second after they arrive.

With -f it goes on with what arrives, which it asks for every two seconds. Records are printed by their own time: those
that arrive wait for one poll, in which older ones may come; later ones are printed when they come (--order arrival: all
of them). What passes (lost connections, restarts, an API server that is busy) is told once on stderr and tried again:
nothing is left out or shown twice.`,
  examples: `
# The last 100 flows of the last 15 minutes
kubectl mcm logs --cluster prod-eu

# What was denied in all production clusters
kubectl mcm logs --cluster 'prod-*' --action deny --since 1h

# The same, but for one namespace
kubectl mcm logs --cluster 'prod-*' --action deny --not --namespace kube-system --since 1h

# What is denied from now on
kubectl mcm logs --cluster 'prod-*' --action deny -f --tail 0

# Calico's query language
kubectl mcm logs --cluster prod-eu -q 'dest_namespace = "store" AND dest_port IN {80, 443}'

# DNS answers of the last five minutes that were none
kubectl mcm logs --cluster prod-eu --type dns --rcode NXDOMAIN --since 5m

# Everything that jane did this week, as JSON, one record a line
kubectl mcm logs --all-clusters --type audit --user jane --since 7d -o json > jane.json

# A month of flows, as files that DuckDB, jq or a data lake can read; the same again after an interruption
kubectl mcm logs --all-clusters --since 30d --export flows-of-november --gzip`,
  flags: {
    ...CLUSTER_FLAGS,
    ...TIME_FLAGS,
    ...FILTER_FLAGS,
    type: {
      type: 'string',
      default: 'flow',
      value: 'TYPE',
      completes: 'log-types',
      description: `Type of log, or several (flow,dns): ${SELECTOR_WORDS.join(', ')} (audit: both of Calico's and Kubernetes' audit logs).`,
    },
    ...QUESTION_FLAGS,
    'print-query': { type: 'boolean', description: 'Print what would be asked for, and ask nothing.' },
    'all-namespaces': {
      type: 'boolean',
      short: 'A',
      description: 'Logs of all namespaces, as without it; -n counts no more.',
    },
    tail: {
      type: 'string',
      value: 'N',
      alias: 'last',
      description: `At most so many records, the newest; -1 for all. Default: ${DEFAULT_LIMIT}, or all with --since where the output is no terminal. --last is the same.`,
    },
    follow: {
      type: 'boolean',
      short: 'f',
      description:
        'Go on with what arrives, until Ctrl-C. Begins as without it; with --since all since then is shown first, with --tail 0 nothing.',
    },
    order: {
      type: 'string',
      default: 'asc',
      choices: ORDERS,
      description: 'asc shows the newest last, desc first; arrival shows records as they were stored.',
    },
    strict: { type: 'boolean', description: 'Fail, and print nothing, where not all of it can be shown.' },
    output: {
      type: 'string',
      short: 'o',
      default: 'compact',
      value: 'FORMAT',
      completes: OUTPUT_FORMATS,
      description: `Output format: ${OUTPUT_FORMATS.join(', ')}. json is one object a line (as is jsonl); raw is the record as it was sent.`,
    },
    export: {
      type: 'string',
      value: 'DIR',
      description:
        'Write all of it into this folder instead, as files of JSON lines for each type and cluster, with a manifest.json. Run again after an interruption it goes on where it was.',
    },
    gzip: { type: 'boolean', description: 'With --export: compress the files.' },
    'no-headers': { type: 'boolean', description: 'Print tables without their headers.' },
    'time-format': {
      type: 'string',
      value: TIME_FORMATS.join('|'),
      choices: TIME_FORMATS,
      description: 'How times are shown. Default: short in compact, else RFC3339 (in UTC).',
    },
    numeric: {
      type: 'boolean',
      description:
        'Show addresses instead of the names of pods, network sets and servers, in compact, tables and csv. What a record has no address of keeps its name, as in aggregated flows.',
    },
    'max-width': {
      type: 'string',
      value: 'N',
      description:
        "Cut lines of compact and of tables to so many columns; 0 for none. Default: the terminal's width for compact and table; all where the output is no terminal, and in wide and custom-columns.",
    },
    utc: { type: 'boolean', description: 'Show short times in UTC instead of the local time zone.' },
    color: {
      type: 'string',
      default: 'auto',
      choices: ['auto', 'always', 'never'],
      description: 'Colour the names of clusters, each always the same; auto: on a terminal, unless NO_COLOR is set.',
    },
  },
  hint: ({ flag, args }) => {
    const [cluster = 'NAME'] = args;
    const named = args.length === 1 && isClusterName(cluster);
    return flag === undefined && named ? didYouMean([`kubectl mcm logs --cluster ${cluster}`]) : undefined;
  },
  run: async ({ flags, global, io }) => {
    const terminal = io.out as { readonly isTTY?: boolean; readonly columns?: number };
    const isTerminal = terminal.isTTY === true;
    const types = ofSource(typesOf(flags.type), flags.source);
    refuseEnds(flags);
    const range = timeRange(flags, flags.tail !== undefined, io.now());
    const saysSince = (flags.since ?? flags['since-time']) !== undefined;
    const isWhole = saysSince && (flags.follow || !isTerminal);
    // As in kubectl, -A counts more than -n.
    const filters = flags['all-namespaces'] ? { ...flags, namespace: [] } : flags;
    const asked: AskedLogs = {
      ...range,
      types: types.map((type) => ({ type, filter: filterFor(type, flags.query, filters) })),
      order: flags.order as Order,
      tail: flags.tail === undefined ? (isWhole ? undefined : DEFAULT_LIMIT) : tailOf(flags.tail, flags.follow),
    };
    if (flags.gzip && flags.export === undefined) {
      throw new UserError('error: --gzip is of no use without --export DIR, whose files it compresses');
    }
    if (flags['print-query']) {
      io.out.write(printAsked(asked));
      return 0;
    }
    if (flags.export !== undefined) {
      const { runExport } = await import('../export/run-export.ts');
      return await runExport({ path: flags.export, asked, flags, global }, io);
    }
    const width: LineWidth = {
      asked: widthOf(flags['max-width']),
      // Looked at anew each time: windows change while logs are followed.
      terminal: () => (isTerminal ? terminal.columns : undefined),
      mark: isUtf8(io.env) ? '…' : '...',
    };
    const newPrinterFor = (severalClusters: boolean) =>
      newPrinter({
        output: flags.output,
        types,
        severalClusters,
        headers: !flags['no-headers'],
        colours: usesColours(flags.color, isTerminal, io.env),
        timeFormat: flags['time-format'] as TimeFormat | undefined,
        utc: flags.utc,
        numeric: flags.numeric,
        width,
        now: io.now,
      });
    // A mistake in the flags is told before anything is asked of a server.
    newPrinterFor(false);
    const client = connect(global, io);
    const clusters = await chosenClusters(client, flags, io.signal);
    const printer = newPrinterFor(clusters.length > 1);
    const options = { client, clusters, asked, printer, strict: flags.strict };
    if (flags.follow) return await followLogs({ ...options, notBefore: saysSince ? range.since : undefined }, io);
    const shown = await showLogs(options, io);
    if (shown.records === 0) io.err.write(`${nothingFound(flags)}${unnamedHint(flags, clusters)}`);
    const warnings = warningsOf(shown.shortcomings.all, io.now());
    for (const warning of warnings) io.err.write(warning);
    return warnings.length === 0 ? 0 : PARTIAL;
  },
});

/** What goes on for ever has neither. @throws UserError */
function refuseEnds({ follow, until, order }: { follow: boolean; until: string | undefined; order: string }): void {
  if (!follow) return;
  if (until !== undefined) throw new UserError('error: --until and --follow cannot be used together');
  if (order === 'desc') {
    throw new UserError('error: --order desc and --follow cannot be used together: what arrives comes last');
  }
}

/** @throws UserError */
function tailOf(text: string, mayBeNothing: boolean): number | undefined {
  if (text === '-1') return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value >= (mayBeNothing ? 0 : 1)) return value;
  throw new UserError(`error: invalid argument "${text}" for "--tail" flag: must be a number from 1, or -1 for all`);
}

/** @throws UserError */
function widthOf(text: string | undefined): number | undefined {
  if (text === undefined || /^\d{1,6}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new UserError(
    `error: invalid argument "${text}" for "--max-width" flag: must be a number of columns, or 0 for all`,
  );
}

/** Where nobody said how far back to look, where it was looked. */
function nothingFound(flags: Readonly<Record<string, unknown>>): string {
  const said = [flags.since, flags['since-time'], flags.until, flags.tail].some((flag) => flag !== undefined);
  return said
    ? 'No resources found\n'
    : `No resources found in the last ${DEFAULT_SINCE}. (--since says how far to look back)\n`;
}
