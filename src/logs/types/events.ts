import { asIs, date, ip, keyword, MAX_DEPTH, port, USUAL_RETENTION_DAYS, text as words } from './fields.ts';
import { column, endOf, type LogType, text, wideColumn } from './log-type.ts';

/** Security events: what threat feeds, the WAF, packet inspection and global alerts have found. */
export const events: LogType = {
  name: 'events',
  label: 'events',
  description: 'security events: what threat feeds, the WAF and alerts have found',
  // The documentation has both names.
  grants: ['events', 'ee_events', '*'],
  retentionDays: USUAL_RETENTION_DAYS,
  timeFields: ['time', '@timestamp'],
  maxDepth: MAX_DEPTH,
  files: ['/var/log/calico/ids/events.log'],
  // Calico's collector ships these to no path of its own; this one is as those of all the other types.
  ingestPaths: ['/api/v1/events/logs/bulk'],
  linesAreUnique: false,
  mappings: {
    properties: {
      time: date,
      type: keyword,
      name: keyword,
      origin: keyword,
      description: words,
      // A number from 1 to 100 in alerts.
      severity: keyword,
      attack_vector: keyword,
      mitre_tactic: keyword,
      mitre_ids: keyword,
      mitigations: { type: 'keyword', ignore_above: 8191 },
      dismissed: { type: 'boolean', ignore_malformed: true },
      source_ip: ip,
      source_name: keyword,
      source_name_aggr: keyword,
      source_namespace: keyword,
      source_port: port,
      dest_ip: ip,
      dest_name: keyword,
      dest_name_aggr: keyword,
      dest_namespace: keyword,
      dest_port: port,
      // What was found, in the form of what it was found in: a flow, a DNS record, anything.
      record: asIs,
    },
  },
  ends: {
    from: { namespace: 'source_namespace', names: ['source_name', 'source_name_aggr'], ip: 'source_ip' },
    to: { namespace: 'dest_namespace', names: ['dest_name', 'dest_name_aggr'], ip: 'dest_ip' },
  },
  aspects: { port: 'dest_port', name: 'name' },
  columns: [
    column('SEVERITY', 'severity'),
    column('TYPE', 'type'),
    { header: 'SOURCE', cell: (record) => endOf(record, 'source') },
    { header: 'DESTINATION', cell: (record) => endOf(record, 'dest') },
    column('DESCRIPTION', 'description', 'name'),
    wideColumn('ORIGIN', 'origin'),
    wideColumn('NODE', 'host'),
  ],
  compact: (record) => [
    text(record.severity) || '-',
    text(record.type) || '(unknown)',
    `${endOf(record, 'source')} -> ${endOf(record, 'dest')}`,
    text(record.description) || text(record.name),
  ],
};
