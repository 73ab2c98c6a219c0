import { date, keyword, MAX_DEPTH, text as words } from './fields.ts';
import { column, type LogType, text } from './log-type.ts';

/** A line of BIRD's log as svlogd writes it on a node: `2026-11-22_18:31:04.12345 bird: Mesh_10_0_0_1: Connected`. */
const BIRD_LINE = /^(\d{4}-\d{2}-\d{2})[T_](\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?) bird6?: (.*)$/;

/** BGP logs: what Calico's BGP daemons (BIRD) say of their peers and routes. */
export const bgp: LogType = {
  name: 'bgp',
  label: 'bgp',
  description: 'what the BGP daemons say of their peers and routes',
  // The first is in the documentation; the second goes with all the other types' names.
  grants: ['ee_bgp', 'bgp', '*'],
  retentionDays: 8,
  timeFields: ['logtime'],
  maxDepth: MAX_DEPTH,
  files: ['/var/log/calico/bird/current', '/var/log/calico/bird6/current'],
  /** Calico's collector adds `ip_version`, by the file; BIRD calls itself the same in both. */
  fromText: (line) => {
    const [, day, time, message] = BIRD_LINE.exec(line.trimEnd()) ?? [];
    return day === undefined ? undefined : { logtime: `${day}T${time}Z`, message };
  },
  ingestPaths: ['/api/v1/bgp/logs/bulk'],
  linesAreUnique: false,
  mappings: {
    properties: { logtime: date, ip_version: keyword, message: words },
  },
  columns: [column('NODE', 'host'), column('IP', 'ip_version'), column('MESSAGE', 'message')],
  compact: (record) => [text(record.host), text(record.ip_version), text(record.message)],
};
