import type { Grouping, GroupWord, Metric, MetricWord, TwoReports } from './grouping.ts';

/**
 * Calico's names for the log types: what RBAC grants by name, and the last part of an index's base name. `gaps` is ours:
 * what is missing in the others.
 */
export type LogTypeName = 'flows' | 'dns' | 'audit_ee' | 'audit_kube' | 'l7' | 'bgp' | 'events' | 'waf' | 'gaps';

/** A stored record as it comes back from a query. Senders are not trusted: any field may be missing or odd. */
export type StoredRecord = Readonly<Record<string, unknown>>;

/** Fields of one end of what a record is about, by their names in queries. */
export interface EndFields {
  readonly namespace: string;
  /** Of the pod itself, and of those that it was counted together with. */
  readonly names: readonly string[];
  readonly ip?: string;
  readonly labels?: string;
}

/** A thing that records name, apart from the two ends. */
export type Aspect =
  | 'namespace'
  | 'port'
  | 'protocol'
  | 'service'
  | 'serviceNamespace'
  | 'reporter'
  | 'action'
  | 'qname'
  | 'qtype'
  | 'rcode'
  | 'user'
  | 'verb'
  | 'resource'
  | 'name';

/** A column of a table. */
export interface Column {
  readonly header: string;
  readonly cell: (record: StoredRecord) => string;
  /** Shown only where there is to be more of a record than one line of a terminal. */
  readonly wide?: true;
}

/** All that is particular to one log type. */
export interface LogType {
  readonly name: LogTypeName;
  /** The word for it in flags and summaries. */
  readonly label: string;
  /** A word for this type together with others. */
  readonly group?: string;
  readonly description: string;
  /**
   * Names whose grant covers this type in RBAC rules of `lma.tigera.io`, most particular first. Kubernetes compares
   * resourceNames literally: `audit*` and `*` are names like any other, which Calico's documentation grants.
   */
  readonly grants: readonly string[];
  /** How many days records are kept, by Calico's defaults where it has one; older ones are not taken any more. */
  readonly retentionDays: number;
  /** Fields that hold the record's own time; the first one there decides. */
  readonly timeFields: readonly string[];
  /** How many levels of objects and arrays a record may have: what the store reads in time. */
  readonly maxDepth: number;
  /** Where nodes keep it. */
  readonly files: readonly string[];
  /** The record of a line of these files that is not JSON; undefined where it is none. */
  readonly fromText?: (line: string) => object | undefined;
  /** Paths at which existing shippers post it; ours takes the first. */
  readonly ingestPaths: readonly string[];
  /** Elasticsearch mappings of its fields; what is not listed is stored and not indexed. */
  readonly mappings: {
    readonly properties: Readonly<Record<string, unknown>>;
    /** False where a field may be an object in one record and a plain value in the next. */
    readonly subobjects?: false;
  };
  /**
   * Whether two equal lines are always one record sent twice. Audit records carry an id and microseconds; two equal
   * flow lines can be two records.
   */
  readonly linesAreUnique: boolean;
  /** Whether there are so few that all their days are looked through at once. */
  readonly isRare?: true;
  /** Where a record names who began what it is about, and whom it went to. */
  readonly ends?: { readonly from: EndFields; readonly to: EndFields };
  /** Where it names other things, by their names in queries. */
  readonly aspects?: Readonly<Partial<Record<Aspect, string>>>;
  /** Lists of the policies that it met, `<index>|<tier>|<name>|<action>|<rule>`. */
  readonly policies?: readonly string[];
  /** What its records can be grouped by, and what can be counted of them then, first what mostly is. */
  readonly groupings?: Readonly<Partial<Record<GroupWord, Grouping>>>;
  readonly metrics?: Readonly<Partial<Record<MetricWord, Metric>>>;
  /** Where both ends report the same. */
  readonly twoReports?: TwoReports;
  /** The record for people, as cells of a line: the last one is as long as it likes. */
  readonly compact: (record: StoredRecord) => readonly string[];
  /** The record as a row, behind its time and cluster. */
  readonly columns: readonly Column[];
}

/** Text of a field, or '' where it is missing, null or Calico's "-" for "does not apply". */
export function text(value: unknown): string {
  if (value === undefined || value === null || value === '-') return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A column that shows one member of a record, or the first of several that says something. */
export function column(header: string, ...members: readonly string[]): Column {
  return {
    header,
    cell: (record) => members.map((member) => text(at(record, member))).find((cell) => cell !== '') ?? '',
  };
}

/** The same, for `-o wide`. */
export function wideColumn(header: string, ...members: readonly string[]): Column {
  return { ...column(header, ...members), wide: true };
}

/** What is behind a path of names. */
function at(record: StoredRecord, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => object(value)[name], record);
}

/** Object of a field, or an empty one. */
export function object(value: unknown): StoredRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as StoredRecord) : {};
}

/** Items of a field, or none. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `namespace/name`, or whichever of the two there is. */
export function namespaced(namespace: unknown, name: unknown): string {
  return [text(namespace), text(name)].filter((part) => part !== '').join('/');
}

/** Names Felix gives to what is neither a pod nor in a network set. */
const NETWORKS: ReadonlyMap<string, string> = new Map([
  ['pub', 'public'],
  ['pvt', 'private'],
]);

/** One end of a flow, or of what is told as flows are, for people. */
export function endOf(record: StoredRecord, which: 'source' | 'dest'): string {
  const name = text(record[`${which}_name`]) || record[`${which}_name_aggr`];
  return endpoint(record[`${which}_namespace`], name, record[`${which}_ip`]);
}

/** `tcp/6379`: what a flow goes to at its destination. */
export function portOf(record: StoredRecord): string {
  return [text(record.proto), text(record.dest_port)].filter((part) => part !== '').join('/');
}

/** One end of a connection for people: what it is called, else its address and which kind of network that is in. */
export function endpoint(namespace: unknown, name: unknown, ip: unknown): string {
  const network = NETWORKS.get(text(name));
  if (network === undefined) return namespaced(namespace, name) || text(ip) || '(unknown)';
  const address = text(ip);
  return address === '' ? `(${network})` : `${address} (${network})`;
}
