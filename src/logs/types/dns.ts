import { date, ip, keyword, long, MAX_DEPTH, storedLabels, USUAL_RETENTION_DAYS } from './fields.ts';
import { byField, isGiven } from './grouping.ts';
import { column, endpoint, type LogType, list, namespaced, object, text, wideColumn } from './log-type.ts';

/** DNS logs: what was asked, by whom, and what came back. */
export const dns: LogType = {
  name: 'dns',
  label: 'dns',
  description: 'what was asked, by whom, and the answer',
  // The documentation has both names.
  grants: ['dns', 'ee_dns', '*'],
  retentionDays: USUAL_RETENTION_DAYS,
  timeFields: ['end_time'],
  maxDepth: MAX_DEPTH,
  // Calico's own, and CoreDNS's where its plugin `log` is on: its containers' logs, and nobody else's.
  files: ['/var/log/calico/dnslogs/dns.log', '/var/log/pods/kube-system_*coredns-*/coredns/*.log'],
  ingestPaths: ['/api/v1/dns/logs/bulk'],
  linesAreUnique: false,
  mappings: {
    properties: {
      start_time: date,
      end_time: date,
      type: keyword,
      count: long,
      client_ip: ip,
      client_name: keyword,
      client_name_aggr: keyword,
      client_namespace: keyword,
      client_labels: storedLabels,
      qname: keyword,
      qtype: keyword,
      qclass: keyword,
      rcode: keyword,
      rrsets: { type: 'nested', properties: { name: keyword, type: keyword, class: keyword, rdata: keyword } },
      servers: {
        type: 'nested',
        properties: { ip, name: keyword, name_aggr: keyword, namespace: keyword, labels: storedLabels },
      },
      latency_count: long,
      latency_mean: long,
      latency_max: long,
    },
  },
  ends: {
    from: {
      namespace: 'client_namespace',
      names: ['client_name', 'client_name_aggr'],
      ip: 'client_ip',
      labels: 'client_labels',
    },
    to: {
      namespace: 'servers.namespace',
      names: ['servers.name', 'servers.name_aggr'],
      ip: 'servers.ip',
      labels: 'servers.labels',
    },
  },
  aspects: { qname: 'qname', qtype: 'qtype', rcode: 'rcode' },
  groupings: {
    namespace: byField('namespace', 'client_namespace'),
    pod: {
      keys: [['client_namespace', 'client_name_aggr']],
      members: ['namespace', 'pod'],
      read: ([namespace = '', name = '']) => (isGiven(name) ? [namespace, name] : undefined),
      words: ([namespace, name]) => endpoint(namespace, name, undefined),
    },
    qname: byField('qname', 'qname'),
  },
  metrics: { requests: { sums: ['count'] }, records: { sums: [] } },
  columns: [
    column('RCODE', 'rcode', 'type'),
    {
      header: 'CLIENT',
      cell: (record) =>
        endpoint(record.client_namespace, text(record.client_name) || record.client_name_aggr, record.client_ip),
    },
    column('TYPE', 'qtype'),
    column('NAME', 'qname'),
    column('COUNT', 'count'),
    wideColumn('MEAN NS', 'latency_mean'),
    wideColumn('MAX NS', 'latency_max'),
    wideColumn('NODE', 'host'),
  ],
  compact: (record) => {
    const client = namespaced(record.client_namespace, text(record.client_name) || record.client_name_aggr);
    const server = object(list(record.servers)[0]);
    const via = namespaced(server.namespace, text(server.name) || server.name_aggr) || text(server.ip);
    const latency = Number(record.latency_mean);
    return [
      text(record.rcode) || text(record.type),
      client || text(record.client_ip) || '(unknown)',
      [text(record.qtype), text(record.qname)].join(' '),
      `x${text(record.count) || '1'}`,
      [latency > 0 ? `${(latency / 1e6).toFixed(1)}ms` : '', via === '' ? '' : `via ${via}`].join('  ').trim(),
    ];
  },
};
