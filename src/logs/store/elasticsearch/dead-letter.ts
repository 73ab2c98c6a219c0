import type { DeadLetter } from '../../record/record.ts';
import type { UploadSource } from '../../record/source.ts';
import type { LogType } from '../../types/log-type.ts';

/** How much of a dead letter's line is kept: Lucene takes no longer term, stored or not. */
const MAX_DEAD_LINE = 32_000;

/** The document, as JSON, in which a dead letter is kept. */
export function deadLetterDocument({ line, reason }: DeadLetter, type: LogType, source: UploadSource, now: number) {
  return JSON.stringify({
    '@timestamp': now,
    cluster: source.cluster,
    host: source.host,
    log_type: type.name,
    file_key: source.position?.fileKey,
    offset: line.offset,
    length: line.length,
    reason,
    kind: kindOf(reason),
    line: line.bytes.toString('utf8', 0, MAX_DEAD_LINE),
  });
}

/** Why anything else was set aside. */
export const OTHER_KIND = 'another reason';

const PARSED = /failed to parse field \[([\w.]+)\] of type \[(\w+)\]/;

/** Reasons that hold nothing of the line as they are. */
const PLAIN =
  /^(not JSON|not a JSON object|not UTF-8|no usable time in [\w@ ]+|nested more than \d+ (levels )?deep|Key is missing|end_time is before start_time|no (start|end)_time)$/;

/** Reasons with what differs from line to line, which is left out. */
const VARYING: readonly (readonly [form: RegExp, kind: string])[] = [
  [/ bytes in one line are too many$/, 'too long a line'],
  [/ is more than 12 hours ahead$/, 'its time is more than 12 hours ahead'],
  [/ is older than the \d+ days that are kept$/, 'its day is older than the days that are kept'],
  [/^too long for Elasticsearch: /, 'too long for Elasticsearch'],
];

/**
 * A reason without all that comes from the line, so that letters can be counted by it, and the counts be shown to those
 * who may see no record. Elasticsearch's reasons quote values.
 */
export function kindOf(reason: string): string {
  if (PLAIN.test(reason)) return reason;
  const [, field, type] = PARSED.exec(reason) ?? [];
  if (field !== undefined) return `${field} is no ${type}`;
  return VARYING.find(([form]) => form.test(reason))?.[1] ?? OTHER_KIND;
}
