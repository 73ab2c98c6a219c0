import { date, keyword, long, MAX_DEPTH, port, USUAL_RETENTION_DAYS } from './fields.ts';
import { column, endpoint, type LogType, namespaced, type StoredRecord, text, wideColumn } from './log-type.ts';

/** L7 logs: HTTP requests and TLS handshakes, and how long the answers took. */
export const l7: LogType = {
  name: 'l7',
  label: 'l7',
  description: 'HTTP requests and TLS handshakes, and how long they took',
  grants: ['l7', '*'],
  retentionDays: USUAL_RETENTION_DAYS,
  timeFields: ['end_time'],
  maxDepth: MAX_DEPTH,
  files: ['/var/log/calico/l7logs/l7.log'],
  ingestPaths: ['/api/v1/l7/logs/bulk'],
  linesAreUnique: false,
  mappings: {
    properties: {
      start_time: date,
      end_time: date,
      type: keyword,
      count: long,
      bytes_in: long,
      bytes_out: long,
      // Nanoseconds.
      duration_mean: long,
      duration_max: long,
      src_name_aggr: keyword,
      src_namespace: keyword,
      src_type: keyword,
      dest_name_aggr: keyword,
      dest_namespace: keyword,
      dest_type: keyword,
      dest_service_name: keyword,
      dest_service_namespace: keyword,
      dest_service_port: port,
      // Lucene takes no longer term.
      url: { type: 'keyword', ignore_above: 8191 },
      response_code: keyword,
      method: keyword,
      user_agent: { type: 'keyword', ignore_above: 8191 },
      protocol: keyword,
      protocol_version: keyword,
      collector_type: keyword,
      collector_name: keyword,
      tls_sni: keyword,
      tls_version: keyword,
      tls_cipher_suite: keyword,
    },
  },
  ends: {
    from: { namespace: 'src_namespace', names: ['src_name_aggr'] },
    to: { namespace: 'dest_namespace', names: ['dest_name_aggr'] },
  },
  aspects: {
    port: 'dest_service_port',
    protocol: 'protocol',
    service: 'dest_service_name',
    serviceNamespace: 'dest_service_namespace',
  },
  columns: [
    column('CODE', 'response_code'),
    { header: 'SOURCE', cell: (record) => endpoint(record.src_namespace, record.src_name_aggr, undefined) },
    { header: 'DESTINATION', cell: (record) => endpoint(record.dest_namespace, record.dest_name_aggr, undefined) },
    column('METHOD', 'method'),
    column('URL', 'url', 'tls_sni'),
    column('COUNT', 'count'),
    wideColumn('PROTOCOL', 'protocol', 'type'),
    wideColumn('MEAN NS', 'duration_mean'),
    wideColumn('MAX NS', 'duration_max'),
    { header: 'SERVICE', cell: (record) => service(record).replace(/^by /, ''), wide: true },
    wideColumn('USER AGENT', 'user_agent'),
  ],
  compact: (record) => {
    const source = endpoint(record.src_namespace, record.src_name_aggr, undefined);
    const duration = Number(record.duration_mean);
    return [
      text(record.response_code) || text(record.protocol) || text(record.type) || '-',
      `${source} -> ${endpoint(record.dest_namespace, record.dest_name_aggr, undefined)}`,
      `x${text(record.count) || '1'}`,
      duration > 0 ? `${(duration / 1e6).toFixed(1)}ms` : '',
      [asked(record), service(record)].filter((part) => part !== '').join('  '),
    ];
  },
};

function asked(record: StoredRecord): string {
  const request = [text(record.method), text(record.url)].filter((part) => part !== '').join(' ');
  return request || [text(record.tls_version), text(record.tls_sni)].filter((part) => part !== '').join(' ');
}

function service(record: StoredRecord): string {
  const name = namespaced(record.dest_service_namespace, record.dest_service_name);
  const number = text(record.dest_service_port);
  return name === '' ? '' : `by ${name}${number === '' ? '' : `:${number}`}`;
}
