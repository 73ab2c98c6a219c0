import { date, fewKeywords, ip, keyword, long, MAX_FLAT_DEPTH, port, USUAL_RETENTION_DAYS } from './fields.ts';
import { byField, type Grouping, isGiven, type TwoReports } from './grouping.ts';
import {
  column,
  endOf,
  endpoint,
  type LogType,
  list,
  namespaced,
  object,
  portOf,
  type StoredRecord,
  text,
  wideColumn,
} from './log-type.ts';
import { parsePolicyHit, policyWords } from './policy-hit.ts';

/** Counts pods together as flow logs do, by the beginning of their names. */
const byPod: Grouping = {
  keys: [
    ['source_namespace', 'source_name_aggr'],
    ['dest_namespace', 'dest_name_aggr'],
  ],
  members: ['namespace', 'pod'],
  read: ([namespace = '', name = '']) => (isGiven(name) ? [namespace, name] : undefined),
  words: ([namespace, name]) => endpoint(namespace, name, undefined),
};

const byService: Grouping = {
  keys: [['dest_service_namespace', 'dest_service_name']],
  members: ['namespace', 'service'],
  read: ([namespace = '', name = '']) => (isGiven(name) ? [namespace, name] : undefined),
  words: ([namespace, name]) => namespaced(namespace, name),
};

const byPort: Grouping = {
  keys: [['proto', 'dest_port']],
  members: ['protocol', 'port'],
  read: (values) => values,
  words: ([protocol, port]) => [text(protocol), text(port)].filter((part) => part !== '').join('/'),
};

/** The policy that decided; others only passed the flow on, or are staged. */
const byPolicy: Grouping = {
  keys: [['policies.enforced_policies']],
  members: ['tier', 'policy', 'action'],
  read: ([value]) => {
    const hit = parsePolicyHit(value);
    const decides = hit !== undefined && !hit.isStaged && (hit.action === 'allow' || hit.action === 'deny');
    return decides ? [hit.tier, hit.name, hit.action] : undefined;
  },
  words: ([tier, name]) => policyWords(String(tier), String(name)),
  beside: ['action'],
};

/**
 * A pod's node reports what the pod sends and what it is sent, so a flow between pods is reported twice. Networks report
 * nothing, and hosts only where they are asked to.
 */
const twoReports: TwoReports = {
  reporter: 'reporter',
  directions: { egress: 'src', ingress: 'dst' },
  once: [
    '(reporter = src AND (source_type = wep OR dest_type != wep))',
    '(reporter = dst AND source_type != wep AND (dest_type = wep OR source_type != hep))',
  ].join(' OR '),
  isShared: (field) =>
    (/^(source|dest)_/.test(field) && field !== 'dest_domains') ||
    ['cluster', 'proto', 'start_time', 'end_time', '@timestamp'].includes(field),
};

/** Flow logs: who talked to whom, and what policy decided. */
export const flows: LogType = {
  name: 'flows',
  label: 'flow',
  description: 'who talked to whom, and what policy decided',
  grants: ['flows', '*'],
  retentionDays: USUAL_RETENTION_DAYS,
  timeFields: ['end_time'],
  maxDepth: MAX_FLAT_DEPTH,
  files: ['/var/log/calico/flowlogs/flows.log'],
  ingestPaths: ['/api/v1/flows/logs/bulk'],
  linesAreUnique: false,
  mappings: {
    // Labels are an object of a list, or "-" where rows were aggregated.
    subobjects: false,
    properties: {
      start_time: date,
      end_time: date,
      action: keyword,
      reporter: keyword,
      proto: keyword,
      source_ip: ip,
      source_name: keyword,
      source_name_aggr: keyword,
      source_namespace: keyword,
      source_port: port,
      source_type: keyword,
      'source_labels.labels': keyword,
      dest_ip: ip,
      dest_name: keyword,
      dest_name_aggr: keyword,
      dest_namespace: keyword,
      dest_port: port,
      dest_type: keyword,
      'dest_labels.labels': keyword,
      dest_service_name: keyword,
      dest_service_namespace: keyword,
      dest_service_port: keyword,
      dest_domains: keyword,
      bytes_in: long,
      bytes_out: long,
      packets_in: long,
      packets_out: long,
      num_flows: long,
      num_flows_started: long,
      num_flows_completed: long,
      'policies.all_policies': fewKeywords,
      'policies.enforced_policies': fewKeywords,
      'policies.pending_policies': fewKeywords,
      'policies.transit_policies': fewKeywords,
      process_name: keyword,
      process_id: keyword,
      process_args: keyword,
      num_process_names: long,
      num_process_ids: long,
      num_process_args: long,
      nat_outgoing_ports: long,
      original_source_ips: ip,
      num_original_source_ips: long,
      http_requests_allowed_in: long,
      http_requests_denied_in: long,
      tcp_mean_send_congestion_window: long,
      tcp_min_send_congestion_window: long,
      tcp_mean_smooth_rtt: long,
      tcp_max_smooth_rtt: long,
      tcp_mean_min_rtt: long,
      tcp_max_min_rtt: long,
      tcp_mean_mss: long,
      tcp_min_mss: long,
      tcp_total_retransmissions: long,
      tcp_lost_packets: long,
      tcp_unrecovered_to: long,
    },
  },
  ends: {
    from: {
      namespace: 'source_namespace',
      names: ['source_name', 'source_name_aggr'],
      ip: 'source_ip',
      labels: 'source_labels',
    },
    to: { namespace: 'dest_namespace', names: ['dest_name', 'dest_name_aggr'], ip: 'dest_ip', labels: 'dest_labels' },
  },
  aspects: {
    port: 'dest_port',
    protocol: 'proto',
    service: 'dest_service_name',
    serviceNamespace: 'dest_service_namespace',
    reporter: 'reporter',
    action: 'action',
  },
  policies: ['policies.enforced_policies', 'policies.pending_policies', 'policies.all_policies'],
  groupings: {
    namespace: byField('namespace', 'source_namespace', 'dest_namespace'),
    pod: byPod,
    service: byService,
    policy: byPolicy,
    port: byPort,
  },
  metrics: {
    bytes: { sums: ['bytes_in', 'bytes_out'] },
    // A connection that lasts is in many records, and starts in one.
    flows: { sums: ['num_flows_started'] },
    packets: { sums: ['packets_in', 'packets_out'] },
    denies: { sums: ['num_flows_started'], only: 'action = deny', ofOneEnd: true },
  },
  twoReports,
  columns: [
    column('ACTION', 'action'),
    { header: 'SOURCE', cell: (record) => endOf(record, 'source') },
    { header: 'DESTINATION', cell: (record) => endOf(record, 'dest') },
    column('PROTO', 'proto'),
    column('PORT', 'dest_port'),
    column('FLOWS', 'num_flows'),
    column('REPORTER', 'reporter'),
    { header: 'POLICY', cell: policyOf },
    wideColumn('SOURCE IP', 'source_ip'),
    wideColumn('DEST IP', 'dest_ip'),
    {
      header: 'SERVICE',
      cell: (record) => namespaced(record.dest_service_namespace, record.dest_service_name),
      wide: true,
    },
    wideColumn('BYTES IN', 'bytes_in'),
    wideColumn('BYTES OUT', 'bytes_out'),
    wideColumn('NODE', 'host'),
  ],
  compact: (record) => [
    text(record.action),
    `${endOf(record, 'source')} -> ${endOf(record, 'dest')}`,
    portOf(record),
    `x${text(record.num_flows) || '1'}`,
    decidedBy(record),
  ],
};

/**
 * The policy whose verdict the flow had: the last enforced one (`<index>|<tier>|<name>|<action>|<rule>`; the list
 * comes in random order).
 */
function decidedBy(record: StoredRecord): string {
  const reporter = text(record.reporter);
  const direction = reporter === 'dst' ? 'ingress' : 'egress';
  const where = reporter === '' ? '' : `(${direction}, ${reporter})`;
  const policy = policyOf(record);
  return [policy === '' ? '' : `by ${policy}`, where].filter((part) => part !== '').join(' ');
}

function policyOf(record: StoredRecord): string {
  const policies = object(record.policies);
  const enforced = list(policies.enforced_policies);
  const hits = (enforced.length > 0 ? enforced : list(policies.all_policies))
    .map((hit) => text(hit).split('|'))
    .filter((parts) => parts.length >= 4 && !text(parts[2]).includes('staged:'))
    .sort((a, b) => Number(a[0]) - Number(b[0]));
  const [, tier = '', name = ''] = hits.at(-1) ?? [];
  return policyWords(tier, name);
}
