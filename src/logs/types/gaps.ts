import { date, keyword, long, MAX_DEPTH } from './fields.ts';
import { column, type LogType, text } from './log-type.ts';

/**
 * What was lost before it could be stored, as a forwarder says: each record stands for the records of one log type that
 * are missing. No log of a node's: a forwarder keeps it beside its positions.
 */
export const gaps: LogType = {
  name: 'gaps',
  label: 'gap',
  description: 'what was lost before it could be stored',
  grants: [],
  // As long as the logs that are kept longest.
  retentionDays: 91,
  timeFields: ['to'],
  maxDepth: MAX_DEPTH,
  files: [],
  ingestPaths: ['/api/v1/gaps/bulk'],
  linesAreUnique: true,
  isRare: true,
  mappings: {
    properties: { type: keyword, from: date, to: date, count: long, bytes: long, reason: keyword, path: keyword },
  },
  columns: [column('TYPE', 'type'), column('COUNT', 'count'), column('REASON', 'reason'), column('PATH', 'path')],
  compact: (record) => [text(record.type), `x${text(record.count) || '?'}`, text(record.reason), text(record.path)],
};
