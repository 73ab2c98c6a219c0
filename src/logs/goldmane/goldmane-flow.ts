import { isUtf8 } from 'node:buffer';
import { ACTIONS, ENDPOINT_TYPES, enumName, REPORTERS } from './enums.ts';
import { flowIdentity } from './flow-identity.ts';
import { JsonFields } from './json-fields.ts';
import { policyString } from './policy-string.ts';

/** A flow of Goldmane as a record of Calico's flow logs. Members that Goldmane cannot know are left out. */
export interface FlowRecord {
  /** Seconds since 1970. */
  readonly start_time: number;
  readonly end_time: number;
  readonly source_ip: null;
  readonly source_name: '-';
  /** `<pod prefix>-*`, the name of a host or network set, or `pub` or `pvt`. */
  readonly source_name_aggr: string;
  readonly source_namespace: string;
  readonly source_port: null;
  readonly source_type: string;
  readonly source_labels: Labels | null;
  readonly dest_ip: null;
  readonly dest_name: '-';
  readonly dest_name_aggr: string;
  readonly dest_namespace: string;
  /** null where the protocol has none. */
  readonly dest_port: number | null;
  readonly dest_type: string;
  readonly dest_labels: Labels | null;
  readonly dest_service_namespace: string;
  readonly dest_service_name: string;
  /** The port's name. */
  readonly dest_service_port: string;
  readonly proto: string;
  readonly action: string;
  readonly reporter: string;
  readonly policies: Policies;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly packets_in: number;
  readonly packets_out: number;
  readonly num_flows: number;
  readonly num_flows_started: number;
  readonly num_flows_completed: number;
  /** What flow logs have no member for, at the places where Goldmane has it. */
  readonly goldmane: Readonly<Record<string, unknown>>;
}

export interface Labels {
  /** `<key>=<value>`. */
  readonly labels: readonly string[];
}

export interface Policies {
  readonly all_policies: readonly string[];
  readonly enforced_policies: readonly string[];
  readonly pending_policies: readonly string[];
}

export type GoldmaneFlow =
  | {
      readonly kind: 'flow';
      /** See flowIdentity: to be combined with the cluster's name. */
      readonly identity: string;
      /** Its end, in milliseconds since 1970. */
      readonly time: number;
      readonly record: FlowRecord;
    }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Turns one line of Goldmane's into a record of Calico's flow logs: names are aggregated, so there are no pods,
 * addresses or source ports, and "-" stands where a name does not apply.
 *
 * Nothing that is sent is lost: members that flow logs do not have (the number of the service's port, whatever a later
 * Calico adds) are kept under `goldmane`, which the store does not index, and a number of an enum that has no name here
 * is written as the number. A line is refused, with the reason, if it is not JSON, has no usable times, or holds
 * something that no Goldmane sends: another type, a count below zero or beyond 2^53, a text or a list without end.
 */
export function readGoldmaneFlow(line: Buffer | string): GoldmaneFlow {
  try {
    const flow = parse(line);
    const record = flowRecord(new JsonFields(flow));
    const identity = flowIdentity(flow.Key, record.start_time, record.end_time);
    return { kind: 'flow', identity, time: record.end_time * 1000, record };
  } catch (error) {
    return { kind: 'refused', reason: (error as Error).message };
  }
}

/** Goldmane's own nest 6 deep. Without a limit, what comes later and calls itself for each level could be made to fail. */
const MAX_DEPTH = 20;

function parse(line: Buffer | string): { readonly Key?: unknown } {
  if (typeof line !== 'string' && !isUtf8(line)) throw new Error('not UTF-8');
  let flow: unknown;
  try {
    flow = JSON.parse(line.toString());
  } catch {
    throw new Error('not JSON');
  }
  if (!isWithin(MAX_DEPTH, flow)) throw new Error(`nested more than ${MAX_DEPTH} deep`);
  return flow as { readonly Key?: unknown };
}

function isWithin(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((member) => isWithin(depth - 1, member));
}

/** Seconds since 1970, in the years 1971 to 5138, as in the times of all records. */
const TIME_RANGE = { from: 31_536_000, to: 99_999_999_999 };
const PORT_RANGE = { to: 65_535 };

function flowRecord(flow: JsonFields): FlowRecord {
  const key = flow.object('Key');
  if (key === undefined) throw new Error('Key is missing');
  const start_time = time(flow, 'start_time');
  const end_time = time(flow, 'end_time');
  if (end_time < start_time) throw new Error('end_time is before start_time');
  const live = flow.whole('num_connections_live');
  const started = flow.whole('num_connections_started');
  const completed = flow.whole('num_connections_completed');
  return {
    start_time,
    end_time,
    source_ip: null,
    source_name: '-',
    source_name_aggr: key.text('source_name') || '-',
    source_namespace: key.text('source_namespace') || '-',
    source_port: null,
    source_type: enumName(key, 'source_type', ENDPOINT_TYPES),
    source_labels: labels(flow, 'source_labels'),
    dest_ip: null,
    dest_name: '-',
    dest_name_aggr: key.text('dest_name') || '-',
    dest_namespace: key.text('dest_namespace') || '-',
    dest_port: key.whole('dest_port', PORT_RANGE) || null,
    dest_type: enumName(key, 'dest_type', ENDPOINT_TYPES),
    dest_labels: labels(flow, 'dest_labels'),
    dest_service_namespace: key.text('dest_service_namespace') || '-',
    dest_service_name: key.text('dest_service_name') || '-',
    dest_service_port: key.text('dest_service_port_name') || '-',
    proto: key.text('proto') || '-',
    action: enumName(key, 'action', ACTIONS),
    reporter: enumName(key, 'reporter', REPORTERS),
    policies: policies(key),
    bytes_in: flow.whole('bytes_in'),
    bytes_out: flow.whole('bytes_out'),
    packets_in: flow.whole('packets_in'),
    packets_out: flow.whole('packets_out'),
    num_flows: Math.max(started, completed, perBucket(live, end_time - start_time)),
    num_flows_started: started,
    num_flows_completed: completed,
    // Last: what is still unread now is what the record has no member for.
    goldmane: { num_connections_live: live, ...flow.rest() },
  };
}

/** Seconds since 1970; a flow without its times cannot be found, nor told from others. */
function time(flow: JsonFields, name: 'start_time' | 'end_time'): number {
  const seconds = flow.whole(name, TIME_RANGE);
  if (seconds === 0) throw new Error(`no ${name}`);
  return seconds;
}

/** Seconds that Goldmane counts connections over, before it adds the counts up to what it sends. */
const BUCKET = 15;

/**
 * A connection that stays open is counted as live in each bucket anew: one that lasts for five minutes comes as 20. The
 * average is the least number that there can have been.
 */
function perBucket(live: number, seconds: number): number {
  return Math.ceil(live / Math.max(1, Math.floor(seconds / BUCKET)));
}

function labels(flow: JsonFields, name: string): Labels | null {
  const labels = flow.texts(name);
  return labels.length === 0 ? null : { labels };
}

/** all_policies is what the other two hold, which is as much of it as Goldmane sends. */
function policies(key: JsonFields): Policies {
  const trace = key.object('policies');
  const enforced = trace?.objects('enforced_policies').map(policyString) ?? [];
  const pending = trace?.objects('pending_policies').map(policyString) ?? [];
  return {
    all_policies: [...new Set([...enforced, ...pending])],
    enforced_policies: enforced,
    pending_policies: pending,
  };
}
