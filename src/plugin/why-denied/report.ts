import { type TimeWording, timeWords } from '../logs/time-words.ts';
import { alignColumns, plural, printable } from '../print.ts';
import { type Denial, decisionWords, stepWords } from './denials.ts';
import { type Destination, type Endpoint, endpointWords } from './endpoint.ts';
import type { Findings } from './findings.ts';

/** What was asked, for the report. */
export interface Question {
  readonly source: Endpoint;
  readonly destination: Destination;
  readonly clusters: readonly string[];
  /** Milliseconds since 1970. */
  readonly since: number | undefined;
  readonly until: number | undefined;
}

/** Pairs of ends that are named of one denial. */
const MOST_PAIRS = 5;

/** Why connections were denied, for people; what records say steers no terminal. */
export function reportText(question: Question, findings: Findings, times: TimeWording): string {
  const { denials } = findings;
  const at = (time: number) => timeWords(time, times);
  const parts = denials.map((denial) => denialText(denial, question.clusters.length > 1, at));
  if (!denials.some(({ staged }) => !staged)) parts.push(nothingDenied(question, findings, at));
  else parts.push(allowedText(findings, at));
  if (denials.length > 0) parts.push(changesText(findings, question.clusters.length > 1, at));
  return parts.join('\n');
}

function changesText(findings: Findings, severalClusters: boolean, at: (time: number) => string): string {
  const { changes, moreChanges, shortcomings } = findings;
  if (changes.length === 0) {
    const isKnown = !shortcomings.some((one) => one.kind === 'Refused' && one.type !== 'flows');
    return `Changed in the 24h before: ${isKnown ? 'nothing that the audit logs tell of' : 'not known'}.\n`;
  }
  const rows = changes.map(({ time, cluster, user, verb, resource, name }) => {
    return ['', at(time), ...(severalClusters ? [cluster] : []), user, verb, `${resource} ${name}`].map(printable);
  });
  return `Changed in the 24h before${moreChanges ? ', the newest' : ''}:\n${alignColumns(rows, '  ')}`;
}

function denialText(denial: Denial, severalClusters: boolean, at: (time: number) => string): string {
  const { staged, direction, reporter, connections, packets, records, cluster, between, policies } = denial;
  const end = direction === 'egress' ? 'source' : 'destination';
  const what = staged ? `Would be denied by a staged policy at the ${end}` : `Denied at the ${end}`;
  const amounts = `${plural(connections, 'connection')}, ${plural(packets, 'packet')} in ${plural(records, 'record')}`;
  const where = severalClusters ? ` in cluster ${printable(cluster)}` : '';
  const head = `${what} (${direction}, reported by ${printable(reporter) || 'nobody'})${where}: ${amounts}\n`;
  const pairs = between.slice(0, MOST_PAIRS).map((words) => `  ${printable(words)}\n`);
  const more = between.length > MOST_PAIRS ? [`  and ${between.length - MOST_PAIRS} more\n`] : [];
  const rows = policies.map((step) => ['', step.tier, stepWords(step), decisionWords(step)].map(printable));
  const steps =
    policies.length === 0
      ? '  The records name no policy.\n'
      : alignColumns([['', 'TIER', 'POLICY', 'DECISION'], ...rows], '  ');
  return [head, ...pairs, ...more, `  from ${at(denial.first)} to ${at(denial.last)}\n`, steps].join('');
}

function allowedText({ allowed }: Findings, at: (time: number) => string): string {
  const { egress, ingress, last } = allowed;
  if (last === undefined) return 'Nothing else was seen between them in that time.\n';
  return `Let through in the same time: ${plural(egress, 'connection')} at the source (egress), ${ingress} at the destination (ingress), the last by ${at(last)}\n`;
}

function nothingDenied(question: Question, findings: Findings, at: (time: number) => string): string {
  const { source, destination, clusters, since, until } = question;
  const port = destination.port === undefined ? '' : `, port ${destination.port}`;
  const when = [since === undefined ? '' : `, since ${at(since)}`, until === undefined ? '' : `, until ${at(until)}`];
  const where = `${clusters.length === 1 ? 'cluster' : 'clusters'} ${clusters.join(', ')}`;
  const head = `Nothing was denied from ${endpointWords(source)} to ${endpointWords(destination.endpoint)}${port}, in ${where}${when.join('')}.\n`;
  if (findings.allowed.last !== undefined) return head + allowedText(findings, at);
  const reasons = reasonsForNothing(question).map((reason) => `- ${reason}\n`);
  return `${head}There are no flow logs between them at all. That may be because\n${reasons.join('')}`;
}

function reasonsForNothing({ source, destination }: Question): readonly string[] {
  const isAddress = [source, destination.endpoint].some(({ kind }) => kind === 'network');
  return [
    'they did not try to reach each other then: --since looks further back',
    'they have other names in flow logs: "kubectl mcm top --by pod" shows these',
    ...(isAddress
      ? ['aggregated records have no addresses: name pods as NAMESPACE/POD, what is outside as public or private']
      : ['names of services and hosts on the internet are none of pods: name the pods behind them, or public']),
    ...(destination.port === undefined ? [] : ['records can be aggregated without ports: leave the port away']),
    'flow logs come every few minutes, and not from a node whose forwarder stands still: "kubectl mcm status" tells',
    'it was stopped before any policy saw it: by DNS, a route, or a firewall beyond the cluster',
  ];
}

/** The same for programs. Times are RFC 3339. */
export function reportObject({ source, destination, clusters, since, until }: Question, findings: Findings): object {
  const { denials, allowed, changes, isCut, moreChanges } = findings;
  const time = (value: number | undefined) => (value === undefined ? {} : new Date(value).toISOString());
  return {
    kind: 'WhyDenied',
    source: endpointWords(source),
    destination: endpointWords(destination.endpoint),
    ...(destination.port === undefined ? {} : { port: destination.port }),
    clusters,
    ...(since === undefined ? {} : { since: time(since) }),
    ...(until === undefined ? {} : { until: time(until) }),
    denials: denials.map(({ cluster, staged, direction, reporter, policies, firstEnd: _, first, last, ...rest }) => {
      return { cluster, staged, direction, reporter, policies, ...rest, first: time(first), last: time(last) };
    }),
    allowed: {
      egress: allowed.egress,
      ingress: allowed.ingress,
      ...(allowed.last === undefined ? {} : { last: time(allowed.last) }),
    },
    changes: changes.map((change) => ({ ...change, time: time(change.time) })),
    ...(isCut ? { isCut } : {}),
    ...(moreChanges ? { moreChanges } : {}),
  };
}
