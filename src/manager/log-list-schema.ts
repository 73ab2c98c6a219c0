import type { Schema } from './api-group.ts';

/** What a read of logs can ask for in its query string. */
export const QUERY_PARAMETERS = {
  since: 'Records from this RFC 3339 time on.',
  until: 'Records before this RFC 3339 time.',
  arrivedSince: 'Records that were stored from this RFC 3339 time on, whatever their own time is.',
  query: "Only what this finds, in the query language of Calico's GlobalAlerts.",
  order: 'asc or desc (the default): by the time of the records; arrival: as they were stored.',
  limit: 'At most so many records.',
  continue: 'Where the answer before ended.',
  by: 'Not the records, but what there is of them in groups, the largest first: by namespace, pod, service and so on.',
  metric: 'What to count then: bytes, flows, denies, requests and so on.',
} as const;

/** What it answers. */
export const LOG_LIST: Schema = {
  description: 'Records, with what is missing among them.',
  type: 'object',
  properties: {
    kind: { type: 'string' },
    apiVersion: { type: 'string' },
    metadata: { type: 'object', description: 'Where to continue, if there is more.' },
    asOf: { type: 'string', format: 'date-time', description: 'Of what moment this is.' },
    shortcomings: {
      type: 'array',
      description: 'What keeps the answer from being whole.',
      items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
    items: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  },
};
