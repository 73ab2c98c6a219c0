import { isUtf8 } from 'node:buffer';
import { ENUM_RANGE } from './enums.ts';
import { flowIdentity, identityText } from './flow-identity.ts';
import {
  COUNT_RANGE,
  type FlowRecord,
  flowRecord,
  type GoldmaneMembers,
  PORT_RANGE,
  TIME_RANGE,
} from './flow-record.ts';
import { JsonFields } from './json-fields.ts';
import { policyString, readPolicyHit } from './policy-string.ts';

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
    const members = membersOf(new JsonFields(flow));
    const { start_time, end_time } = members;
    const identity = flowIdentity(identityText(flow.Key, start_time, end_time));
    return { kind: 'flow', identity, time: end_time * 1000, record: flowRecord(members) };
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
  if (depth === 0) return false;
  for (const member of Array.isArray(value) ? value : Object.values(value)) {
    if (!isWithin(depth - 1, member)) return false;
  }
  return true;
}

function membersOf(flow: JsonFields): GoldmaneMembers {
  const key = flow.object('Key');
  if (key === undefined) throw new Error('Key is missing');
  const start_time = time(flow, 'start_time');
  const end_time = time(flow, 'end_time');
  if (end_time < start_time) throw new Error('end_time is before start_time');
  const policies = key.object('policies');
  return {
    source_name: key.text('source_name'),
    source_namespace: key.text('source_namespace'),
    source_type: key.whole('source_type', ENUM_RANGE),
    dest_name: key.text('dest_name'),
    dest_namespace: key.text('dest_namespace'),
    dest_type: key.whole('dest_type', ENUM_RANGE),
    dest_port: key.whole('dest_port', PORT_RANGE),
    dest_service_name: key.text('dest_service_name'),
    dest_service_namespace: key.text('dest_service_namespace'),
    dest_service_port_name: key.text('dest_service_port_name'),
    proto: key.text('proto'),
    reporter: key.whole('reporter', ENUM_RANGE),
    action: key.whole('action', ENUM_RANGE),
    enforced_policies: policyStrings(policies, 'enforced_policies'),
    pending_policies: policyStrings(policies, 'pending_policies'),
    start_time,
    end_time,
    source_labels: flow.texts('source_labels'),
    dest_labels: flow.texts('dest_labels'),
    packets_in: flow.whole('packets_in', COUNT_RANGE),
    packets_out: flow.whole('packets_out', COUNT_RANGE),
    bytes_in: flow.whole('bytes_in', COUNT_RANGE),
    bytes_out: flow.whole('bytes_out', COUNT_RANGE),
    num_connections_started: flow.whole('num_connections_started', COUNT_RANGE),
    num_connections_completed: flow.whole('num_connections_completed', COUNT_RANGE),
    num_connections_live: flow.whole('num_connections_live', COUNT_RANGE),
    // Last: what is still unread now is what there is no member for.
    rest: flow.rest(),
  };
}

/** Seconds since 1970; a flow without its times cannot be found, nor told from others. */
function time(flow: JsonFields, name: 'start_time' | 'end_time'): number {
  const seconds = flow.whole(name, TIME_RANGE);
  if (seconds === 0) throw new Error(`no ${name}`);
  return seconds;
}

function policyStrings(policies: JsonFields | undefined, name: string): readonly string[] {
  return policies?.objects(name).map((hit) => policyString(readPolicyHit(hit))) ?? [];
}
