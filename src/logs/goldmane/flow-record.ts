import { ACTIONS, ENDPOINT_TYPES, enumName, REPORTERS } from './enums.ts';

/** A flow's times: seconds since 1970, in the years 1971 to 5138, as in the times of all records. */
export const TIME_RANGE = { from: 31_536_000, to: 99_999_999_999 };
export const PORT_RANGE = { from: 0, to: 65_535 };
export const COUNT_RANGE = { from: 0, to: Number.MAX_SAFE_INTEGER };

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

/** A flow as Goldmane has it, by Goldmane's names and checked; a text is '' and a number 0 where it says nothing. */
export interface GoldmaneMembers {
  readonly source_name: string;
  readonly source_namespace: string;
  readonly source_type: number;
  readonly dest_name: string;
  readonly dest_namespace: string;
  readonly dest_type: number;
  readonly dest_port: number;
  readonly dest_service_name: string;
  readonly dest_service_namespace: string;
  readonly dest_service_port_name: string;
  readonly proto: string;
  readonly reporter: number;
  readonly action: number;
  /** See writePolicy. */
  readonly enforced_policies: readonly string[];
  readonly pending_policies: readonly string[];
  /** Seconds since 1970; the end is not before the start. */
  readonly start_time: number;
  readonly end_time: number;
  readonly source_labels: readonly string[];
  readonly dest_labels: readonly string[];
  readonly packets_in: number;
  readonly packets_out: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly num_connections_started: number;
  readonly num_connections_completed: number;
  readonly num_connections_live: number;
  /** All others, at their places. */
  readonly rest: Readonly<Record<string, unknown>>;
}

/** Names are aggregated, so there are no pods, addresses or source ports; "-" stands where a name does not apply. */
export function flowRecord(flow: GoldmaneMembers): FlowRecord {
  const { start_time, end_time, enforced_policies, pending_policies } = flow;
  const { num_connections_started: started, num_connections_completed: completed, num_connections_live: live } = flow;
  return {
    start_time,
    end_time,
    source_ip: null,
    source_name: '-',
    source_name_aggr: flow.source_name || '-',
    source_namespace: flow.source_namespace || '-',
    source_port: null,
    source_type: enumName(flow.source_type, ENDPOINT_TYPES),
    source_labels: labels(flow.source_labels),
    dest_ip: null,
    dest_name: '-',
    dest_name_aggr: flow.dest_name || '-',
    dest_namespace: flow.dest_namespace || '-',
    dest_port: flow.dest_port || null,
    dest_type: enumName(flow.dest_type, ENDPOINT_TYPES),
    dest_labels: labels(flow.dest_labels),
    dest_service_namespace: flow.dest_service_namespace || '-',
    dest_service_name: flow.dest_service_name || '-',
    dest_service_port: flow.dest_service_port_name || '-',
    proto: flow.proto || '-',
    action: enumName(flow.action, ACTIONS),
    reporter: enumName(flow.reporter, REPORTERS),
    // All are those that the other two hold, which is as much of it as Goldmane sends.
    policies: {
      all_policies: unionOf(enforced_policies, pending_policies),
      enforced_policies,
      pending_policies,
    },
    bytes_in: flow.bytes_in,
    bytes_out: flow.bytes_out,
    packets_in: flow.packets_in,
    packets_out: flow.packets_out,
    num_flows: Math.max(started, completed, perBucket(live, end_time - start_time)),
    num_flows_started: started,
    num_flows_completed: completed,
    goldmane: { num_connections_live: live, ...flow.rest },
  };
}

function unionOf(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set([...one, ...other])];
}

function labels(labels: readonly string[]): Labels | null {
  return labels.length === 0 ? null : { labels };
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
