import { asIs, date, keyword, long, MAX_DEPTH } from './fields.ts';
import { byField } from './grouping.ts';
import { column, type LogType, list, namespaced, object, type StoredRecord, text, wideColumn } from './log-type.ts';

const user = { properties: { username: keyword, uid: keyword, groups: keyword, extra: asIs } };

/** audit.k8s.io/v1 Event, as kube-apiserver and Calico's API server write it. */
const properties = {
  kind: keyword,
  apiVersion: keyword,
  level: keyword,
  auditID: keyword,
  stage: keyword,
  requestURI: { type: 'keyword', ignore_above: 8191 },
  verb: keyword,
  user,
  impersonatedUser: user,
  sourceIPs: keyword,
  userAgent: { type: 'keyword', ignore_above: 8191 },
  objectRef: {
    properties: {
      resource: keyword,
      namespace: keyword,
      name: keyword,
      uid: keyword,
      apiGroup: keyword,
      apiVersion: keyword,
      resourceVersion: keyword,
      subresource: keyword,
    },
  },
  responseStatus: {
    properties: {
      code: long,
      status: keyword,
      reason: keyword,
      message: { type: 'keyword', index: false, doc_values: false },
      metadata: asIs,
      details: asIs,
    },
  },
  requestObject: asIs,
  responseObject: asIs,
  requestReceivedTimestamp: date,
  stageTimestamp: date,
  annotations: { type: 'flattened', ignore_above: 8191 },
  name: keyword,
};

const shared = {
  retentionDays: 91,
  timeFields: ['stageTimestamp', 'requestReceivedTimestamp'],
  maxDepth: MAX_DEPTH,
  mappings: { properties },
  linesAreUnique: true,
  group: 'audit',
  aspects: {
    namespace: 'objectRef.namespace',
    user: 'user.username',
    verb: 'verb',
    resource: 'objectRef.resource',
    name: 'objectRef.name',
  },
  groupings: {
    namespace: byField('namespace', 'objectRef.namespace'),
    user: byField('user', 'user.username'),
  },
  metrics: {
    // A request can have a record for each of its stages, and ends with one of these.
    requests: { sums: [], only: 'stage IN {ResponseComplete, Panic}' },
    records: { sums: [] },
  },
  columns: [
    column('USER', 'user.username'),
    column('VERB', 'verb'),
    { header: 'RESOURCE', cell: resourceOf },
    column('NAMESPACE', 'objectRef.namespace'),
    column('NAME', 'objectRef.name'),
    column('CODE', 'responseStatus.code'),
    { header: 'SOURCE', cell: (record: StoredRecord) => list(record.sourceIPs).map(text).join(','), wide: true },
    wideColumn('USER AGENT', 'userAgent'),
    wideColumn('REASON', 'responseStatus.reason'),
  ],
  compact,
} as const;

/** Audit log of a cluster's kube-apiserver. */
export const auditKube: LogType = {
  ...shared,
  name: 'audit_kube',
  label: 'audit-kube',
  description: 'requests to the Kubernetes API',
  grants: ['audit_kube', 'audit*', 'audit', '*'],
  files: ['/var/log/calico/audit/kube-audit.log'],
  ingestPaths: ['/api/v1/audit/logs/kube/bulk'],
};

/** Audit log of Calico's own API server: changes of policies, tiers and network sets. */
export const auditEe: LogType = {
  ...shared,
  name: 'audit_ee',
  label: 'audit-ee',
  description: 'changes of Calico resources',
  grants: ['audit_ee', 'audit*', 'audit', '*'],
  files: ['/var/log/calico/audit/tsee-audit.log'],
  ingestPaths: ['/api/v1/audit/logs/ee/bulk'],
};

/** `networkpolicies.projectcalico.org/status`; the path of a request that is about no object. */
function resourceOf(record: StoredRecord): string {
  const reference = object(record.objectRef);
  const resource = [text(reference.resource), text(reference.apiGroup)].filter((part) => part !== '').join('.');
  const subresource = text(reference.subresource);
  // The query string of a request without an object is a hash, or longer than anyone reads.
  if (resource === '') return text(record.requestURI).split('?')[0] ?? '';
  return `${resource}${subresource === '' ? '' : `/${subresource}`}`;
}

function compact(record: StoredRecord): readonly string[] {
  const reference = object(record.objectRef);
  const status = object(record.responseStatus);
  return [
    text(record.verb),
    text(object(record.user).username) || '(unknown)',
    resourceOf(record),
    // A namespace's own objectRef names it twice.
    namespaced(
      text(reference.resource) === 'namespaces' && text(reference.apiGroup) === '' ? '' : reference.namespace,
      reference.name,
    ),
    [text(status.code), text(status.reason)].filter((part) => part !== '').join(' '),
  ];
}
