import { ENUM_RANGE } from './enums.ts';
import { COUNT_RANGE, type GoldmaneMembers, PORT_RANGE, TIME_RANGE } from './flow-record.ts';
import type { Range } from './json-fields.ts';
import { PlainJson } from './plain-json.ts';
import { END_OF_TIER, INDEX_RANGE, isWritable, type Policy, policyString, RULE_RANGE } from './policy-string.ts';

const json = new PlainJson();

export interface PlainFlow {
  readonly members: GoldmaneMembers;
  /** As flowIdentity needs it. */
  readonly keyText: string;
}

/**
 * The short way of a line in the very form in which Goldmane writes it: members in the order of its Go structs, and none
 * that is new. Every other line, also one that is wrong, is left to JSON.parse and JsonFields, which take four times as
 * long: most of that is making objects of all that there is, and asking them for what they have.
 */
export function readPlainFlow(line: Buffer): PlainFlow | undefined {
  json.start(line.toString('latin1'));
  json.open();
  if (!json.member('Key')) return undefined;
  const keyFrom = json.at;
  const key = readKey();
  const keyTo = json.at;
  const members: GoldmaneMembers = {
    ...key,
    start_time: whole('start_time', TIME_RANGE),
    end_time: whole('end_time', TIME_RANGE),
    source_labels: texts('source_labels'),
    dest_labels: texts('dest_labels'),
    packets_in: whole('packets_in', COUNT_RANGE),
    packets_out: whole('packets_out', COUNT_RANGE),
    bytes_in: whole('bytes_in', COUNT_RANGE),
    bytes_out: whole('bytes_out', COUNT_RANGE),
    num_connections_started: whole('num_connections_started', COUNT_RANGE),
    num_connections_completed: whole('num_connections_completed', COUNT_RANGE),
    num_connections_live: whole('num_connections_live', COUNT_RANGE),
  };
  json.close();
  const { start_time, end_time } = members;
  if (!json.wasPlain || start_time === 0 || end_time < start_time) return undefined;
  return { members, keyText: json.between(keyFrom, keyTo) };
}

/** The members are read in the order in which they stand here. */
function readKey() {
  json.open();
  const key = {
    source_name: text('source_name'),
    source_namespace: text('source_namespace'),
    source_type: whole('source_type', ENUM_RANGE),
    dest_name: text('dest_name'),
    dest_namespace: text('dest_namespace'),
    dest_type: whole('dest_type', ENUM_RANGE),
    dest_port: whole('dest_port', PORT_RANGE),
    dest_service_name: text('dest_service_name'),
    dest_service_namespace: text('dest_service_namespace'),
    dest_service_port_name: text('dest_service_port_name'),
    rest: json.member('dest_service_port') ? { Key: { dest_service_port: json.whole(COUNT_RANGE) } } : {},
    proto: text('proto'),
    reporter: whole('reporter', ENUM_RANGE),
    action: whole('action', ENUM_RANGE),
    ...(json.member('policies') ? readPolicies() : NO_POLICIES),
  };
  json.close();
  return key;
}

interface PolicyStrings {
  readonly enforced_policies: readonly string[];
  readonly pending_policies: readonly string[];
}

const NO_POLICIES: PolicyStrings = { enforced_policies: [], pending_policies: [] };

/** Where nothing is staged, which is nearly always, the same policies come twice: then they are the same list. */
function readPolicies(): PolicyStrings {
  json.open();
  let { enforced_policies, pending_policies } = NO_POLICIES;
  let [from, to] = [0, 0];
  if (json.member('enforced_policies')) {
    from = json.at;
    enforced_policies = json.list(readPolicy);
    to = json.at;
  }
  if (json.member('pending_policies')) {
    pending_policies = to > 0 && json.repeats(from, to) ? enforced_policies : json.list(readPolicy);
  }
  json.close();
  return { enforced_policies, pending_policies };
}

function readPolicy(): string {
  json.open();
  const { kind, tier, namespace, name } = readNames();
  const action = whole('action', ENUM_RANGE);
  const policy_index = whole('policy_index', INDEX_RANGE);
  const rule_index = whole('rule_index', RULE_RANGE);
  const trigger = json.member('trigger') ? readTrigger() : undefined;
  json.close();
  // Nobody asks a policy of another kind for one: it is kept with the record.
  if (trigger !== undefined && kind !== END_OF_TIER) json.fail();
  return policyString({ kind, tier, namespace, name, action, policy_index, rule_index, trigger });
}

/** One with more than this has something that is kept with the record. */
function readTrigger(): Policy {
  json.open();
  const trigger = readNames();
  whole('rule_index', RULE_RANGE);
  json.close();
  return trigger;
}

function readNames(): Policy {
  const kind = whole('kind', ENUM_RANGE);
  const namespace = text('namespace');
  const name = text('name');
  const policy = { kind, namespace, name, tier: text('tier') };
  if (!isWritable(policy)) json.fail();
  return policy;
}

/** '' where it is missing, and for Calico's "-" that says that it does not apply. */
function text(name: string): string {
  const value = json.member(name) ? json.text() : '';
  return value === '-' ? '' : value;
}

function texts(name: string): readonly string[] {
  return json.member(name) ? json.list(readText) : [];
}

function readText(): string {
  return json.text();
}

function whole(name: string, range: Range): number {
  return json.member(name) ? json.whole(range) : 0;
}
