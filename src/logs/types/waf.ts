import { date, ip, keyword, MAX_FLAT_DEPTH, port, USUAL_RETENTION_DAYS, text as words } from './fields.ts';
import { column, endpoint, type LogType, list, object, text, wideColumn } from './log-type.ts';

/** Lucene takes no longer term. */
const line = { type: 'keyword', ignore_above: 8191 };

/**
 * WAF logs: requests that the web application firewall has found something in. The documentation has no table of their
 * fields: what is not among these is stored and not indexed.
 */
export const waf: LogType = {
  name: 'waf',
  label: 'waf',
  description: 'requests in which the web application firewall has found something',
  grants: ['waf', '*'],
  retentionDays: USUAL_RETENTION_DAYS,
  timeFields: ['@timestamp', 'timestamp', 'time'],
  maxDepth: MAX_FLAT_DEPTH,
  files: ['/var/log/calico/waf/waf.log'],
  ingestPaths: ['/api/v1/waf/logs/bulk'],
  linesAreUnique: false,
  mappings: {
    // Objects in one version, plain values in another.
    subobjects: false,
    properties: {
      timestamp: date,
      time: date,
      level: keyword,
      request_id: keyword,
      method: keyword,
      path: line,
      protocol: keyword,
      msg: words,
      rule_info: line,
      'rules.id': keyword,
      'rules.message': line,
      'rules.severity': keyword,
      'source.ip': ip,
      'source.port_num': port,
      'source.name': keyword,
      'source.namespace': keyword,
      'source.hostname': keyword,
      'destination.ip': ip,
      'destination.port_num': port,
      'destination.name': keyword,
      'destination.namespace': keyword,
      'destination.hostname': keyword,
    },
  },
  ends: {
    from: { namespace: 'source.namespace', names: ['source.name', 'source.hostname'], ip: 'source.ip' },
    to: {
      namespace: 'destination.namespace',
      names: ['destination.name', 'destination.hostname'],
      ip: 'destination.ip',
    },
  },
  aspects: { port: 'destination.port_num', protocol: 'protocol' },
  columns: [
    column('METHOD', 'method'),
    { header: 'SOURCE', cell: (record) => side(record.source) },
    { header: 'DESTINATION', cell: (record) => side(record.destination) },
    column('PATH', 'path'),
    column('MESSAGE', 'msg', 'rule_info'),
    wideColumn('LEVEL', 'level'),
    wideColumn('REQUEST', 'request_id'),
    wideColumn('NODE', 'host'),
  ],
  compact: (record) => {
    const found = list(record.rules).map((rule) => text(object(rule).id));
    return [
      text(record.method) || '-',
      `${side(record.source)} -> ${side(record.destination)}`,
      text(record.path),
      [text(record.msg) || text(record.rule_info), ...found].filter((part) => part !== '').join(' '),
    ];
  },
};

function side(value: unknown): string {
  const { namespace, name, hostname, ip: address } = object(value);
  return endpoint(namespace, text(name) || hostname, address);
}
