import { UserError } from '../../errors.ts';
import { DEFAULT_GROUPS, groupWords, MOST_ROWS, metricWords } from '../../logs/query/aggregation.ts';
import { fieldsOwner } from '../../logs/query/log-query.ts';
import { GROUP_WORDS, type GroupWord, METRIC_WORDS, type MetricWord } from '../../logs/types/grouping.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { filterFor, ofSource, QUESTION_FLAGS, typesOf } from '../logs/asked-logs.ts';
import { CLUSTER_FLAGS, chosenClusters, unnamedHint } from '../logs/chosen-clusters.ts';
import { FILTER_FLAGS } from '../logs/filter-flags.ts';
import { groupsOf, LogReads } from '../logs/log-reads.ts';
import { PARTIAL, refusePartial, warningsOf } from '../logs/shortcomings.ts';
import { newTurns } from '../logs/shown-logs.ts';
import { TIME_FLAGS, timeRange } from '../logs/time-flags.ts';
import { printTop, TOP_FORMATS, topFormat } from '../logs/top-printer.ts';
import { readTop } from '../logs/top-reads.ts';
import { isUtf8 } from '../utf8.ts';

/** `top`: what there is most of in clusters' logs. */
export const command = defineCommand({
  args: [],
  description: `
Show what there is most of in the logs of clusters: the namespaces, pods, services, policies or ports with the most traffic
or the most denied connections, the names that DNS is asked for most, the users who ask the API servers most.

It is counted in the log store, exactly, and of several clusters together. A flow between two pods is reported by both
ends, and counted once, as its source reports it. What each end has for itself (its policies, its verdict) is counted by
direction: egress as sources report it, ingress as destinations do. A namespace or pod has what comes from it and what goes
to it; SHARE is of everything that was asked for.

What can be counted of which logs:
${typesHelp()}

Flags choose the records as those of "kubectl mcm logs" do, and what you may count is what you may read. What cannot be
counted (a cluster or type that RBAC refuses, what a disconnected cluster still has) is named on stderr, and the exit code
is 3.`,
  examples: `
# The namespaces with the most traffic in the last 15 minutes
kubectl mcm top --cluster prod-eu

# The policies that denied most today, in all production clusters
kubectl mcm top --cluster 'prod-*' --by policy --metric denies --since 24h

# What the frontend talks to most
kubectl mcm top --cluster prod-eu --by service --from-pod store/frontend --since 1h

# Names that do not exist
kubectl mcm top --cluster prod-eu --by qname --rcode NXDOMAIN --since 1h

# Who changes most in Kubernetes
kubectl mcm top --all-clusters --by user --source kube --verb create --verb update --verb delete --since 7d`,
  flags: {
    ...CLUSTER_FLAGS,
    ...TIME_FLAGS,
    since: {
      ...TIME_FLAGS.since,
      description: TIME_FLAGS.since.description.replace(', --until and --tail', ' and --until'),
    },
    ...FILTER_FLAGS,
    by: {
      type: 'string',
      default: 'namespace',
      value: GROUP_WORDS.join('|'),
      choices: GROUP_WORDS,
      description: 'What to count by.',
    },
    metric: {
      type: 'string',
      value: METRIC_WORDS.join('|'),
      choices: METRIC_WORDS,
      description: 'What to count. Default: bytes of flow logs, requests of all others.',
    },
    type: {
      type: 'string',
      value: 'TYPE',
      completes: 'log-types',
      description: 'Type of log: flow, dns or audit. Default: the first of these that can be counted so.',
    },
    ...QUESTION_FLAGS,
    limit: {
      type: 'string',
      default: String(DEFAULT_GROUPS),
      value: 'N',
      description: 'At most so many, the largest.',
    },
    strict: { type: 'boolean', description: 'Fail, and print nothing, where not all of it can be counted.' },
    output: {
      type: 'string',
      short: 'o',
      default: 'table',
      value: 'FORMAT',
      completes: TOP_FORMATS,
      description: `Output format: ${TOP_FORMATS.join(', ')}.`,
    },
    'no-headers': { type: 'boolean', description: 'Print tables without their headers.' },
  },
  hint: ({ flag, args: [word = ''] }) => {
    // As in kubectl top pods.
    const by = GROUP_WORDS.find((one) => [one, `${one}s`, one.replace(/y$/, 'ies')].includes(word));
    return flag !== undefined || by === undefined ? undefined : didYouMean([`kubectl mcm top --by ${by}`]);
  },
  run: async ({ flags, global, io }) => {
    const { output, strict } = flags;
    topFormat(output);
    const by = flags.by as GroupWord;
    const types = ofSource(countedTypes(by, flags.metric, flags.type), flags.source);
    const metric = metricOf(flags.metric, by, types);
    const range = timeRange(flags, false, io.now());
    const limit = limitOf(flags.limit);
    const asked = types.map((type) => ({
      type,
      parameters: { ...range, filter: filterFor(type, flags.query, flags), by, metric, limit },
    }));
    const client = connect(global, io);
    const clusters = await chosenClusters(client, flags, io.signal);
    const sources = groupsOf(clusters).flatMap((group) => asked.map((one) => ({ clusters: group, ...one })));
    const reads = new LogReads({ client, turns: newTurns(), signal: io.signal });
    const { top, shortcomings } = await readTop(reads, sources);
    shortcomings.throwIfNothingIsLeft(clusters, types);
    if (strict) refusePartial(shortcomings.all, io.err, io.now());
    const grouping = types[0]?.groupings?.[by];
    if (grouping === undefined) throw new Error(`${by} is no grouping`);
    const { isTTY, columns } = io.out as { readonly isTTY?: boolean; readonly columns?: number };
    const width = isTTY ? (columns ?? 80) : undefined;
    const block = isUtf8(io.env) ? '█' : '#';
    const options = { output, by, metric, grouping, clusters, ...range, headers: !flags['no-headers'], width, block };
    io.out.write(printTop(top, options));
    if (top.items.length === 0) io.err.write(`No resources found\n${unnamedHint(flags, clusters)}`);
    const warnings = [...warningsOf(shortcomings.all, io.now()), ...shortness(top.shortBy, by)];
    for (const warning of warnings) io.err.write(warning);
    return warnings.length === 0 ? 0 : PARTIAL;
  },
});

/** The types that `--type` says, or the first ones that can be counted so. @throws UserError */
function countedTypes(by: GroupWord, metric: string | undefined, words: string | undefined): readonly LogType[] {
  if (words !== undefined) {
    const types = typesOf(words);
    if (groupWords(types).includes(by)) return types;
    throw new UserError(`error: --by ${by} does not go with ${fieldsOwner(types)}${instead('by', groupWords(types))}`);
  }
  const able = LOG_TYPES.filter((type) => groupWords([type]).includes(by));
  const [first] = able;
  const suited =
    able.find((type) => metric !== undefined && metricWords([type]).some((word) => word === metric)) ?? first;
  return able.filter((type) => type === suited || (suited?.group !== undefined && type.group === suited.group));
}

/** @throws UserError naming what there is */
function metricOf(metric: string | undefined, by: GroupWord, types: readonly LogType[]): MetricWord {
  const words = metricWords(types);
  const found = metric === undefined ? words[0] : words.find((word) => word === metric);
  if (found !== undefined) return found;
  throw new UserError(
    `error: --metric ${metric} does not go with --by ${by} of ${fieldsOwner(types)}${instead('metric', words)}`,
  );
}

function instead(flag: string, words: readonly string[]): string {
  return words.length === 0 ? '' : `: --${flag} can be ${words.join(', ')}`;
}

function typesHelp(): string {
  const lines = LOG_TYPES.map((type) => {
    const words = groupWords([type]);
    return words.length === 0
      ? ''
      : `- ${type.group ?? type.label} logs: ${metricWords([type]).join(', ')} by ${words.join(', ')}`;
  });
  return [...new Set(lines.filter((line) => line !== ''))].join('\n');
}

function limitOf(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= MOST_ROWS) return value;
  throw new UserError(`error: invalid argument "${text}" for "--limit" flag: must be a number from 1 to ${MOST_ROWS}`);
}

function shortness(shortBy: number, by: GroupWord): readonly string[] {
  if (shortBy === 0) return [];
  return [
    `warning: some clusters have more to count by ${by} than they could say: what is shown may be up to ${shortBy} too small\n`,
  ];
}
