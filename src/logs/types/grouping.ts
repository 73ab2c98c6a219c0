/** What records can be grouped by. */
export const GROUP_WORDS = ['namespace', 'pod', 'service', 'policy', 'port', 'qname', 'user'] as const;
export type GroupWord = (typeof GROUP_WORDS)[number];

/** What can be counted of them. */
export const METRIC_WORDS = ['bytes', 'flows', 'packets', 'denies', 'requests', 'records'] as const;
export type MetricWord = (typeof METRIC_WORDS)[number];

/** A value of a field, as a store's index has it. */
export type KeyValue = string | number;

/** How the records of a type are grouped under one word. */
export interface Grouping {
  /** Fields whose values together say the group: a list for each end of a record that has them. */
  readonly keys: readonly (readonly string[])[];
  /** What a group is made of, by name. */
  readonly members: readonly string[];
  /** The members of the group of these values of a key; undefined where they say none. */
  readonly read: (values: readonly KeyValue[]) => readonly KeyValue[] | undefined;
  /** A group for people, by its members. */
  readonly words: (members: readonly KeyValue[]) => string;
  /** Members that are no part of these words. */
  readonly beside?: readonly string[];
}

/** What is added up of a group's records. */
export interface Metric {
  /** Fields whose values are; none where the records themselves are counted. */
  readonly sums: readonly string[];
  /** Of these records alone, as a query. */
  readonly only?: string;
  /** Whether no more than one end ever reports what is counted. */
  readonly ofOneEnd?: true;
}

/** Of a type whose records are reported by each of two ends. */
export interface TwoReports {
  /** The field that says which end a report is of, and its value for each direction. */
  readonly reporter: string;
  readonly directions: Readonly<Record<Direction, string>>;
  /** A query that finds one report of each: where both ends report, always the same one. */
  readonly once: string;
  /** Whether the reports of both ends have the same in a field. */
  readonly isShared: (field: string) => boolean;
}

/** As policies have it: `egress` is looked at where a connection comes from, `ingress` where it goes to. */
export type Direction = 'egress' | 'ingress';

/** Calico's "-" says that something does not apply. */
export function isGiven(value: KeyValue | undefined): value is KeyValue {
  return value !== undefined && value !== '-' && value !== '';
}

/** Groups by one field. */
export function byField(member: string, ...fields: readonly string[]): Grouping {
  return {
    keys: fields.map((field) => [field]),
    members: [member],
    read: ([value]) => (isGiven(value) ? [value] : undefined),
    words: ([value]) => String(value),
  };
}
