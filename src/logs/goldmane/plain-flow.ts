import { ENUM_RANGE } from './enums.ts';
import { COUNT_RANGE, type GoldmaneMembers, PORT_RANGE, TIME_RANGE } from './flow-record.ts';
import type { Range } from './json-fields.ts';
import { PlainJson } from './plain-json.ts';
import { END_OF_TIER, INDEX_RANGE, isWritable, type Policy, policyString, RULE_RANGE } from './policy-string.ts';

const json = new PlainJson();

export interface PlainFlow {
  readonly members: GoldmaneMembers;
  /** The Key as it came, sorted as flowIdentity needs it; members that are undefined have not come. */
  readonly sortedKey: object;
}

/**
 * The short way of a line in the very form in which Goldmane writes it: members in the order of its Go structs, and none
 * that is new. Every other line, also one that is wrong, is left to JSON.parse and JsonFields, which take three times as
 * long: most of that is making objects of all that there is, and asking them for what they have.
 */
export function readPlainFlow(line: Buffer): PlainFlow | undefined {
  json.start(line.toString('latin1'));
  json.open();
  if (!json.member('Key')) return undefined;
  const key = readKey();
  const { enforced_policies = [], pending_policies = [] } = key.policies ?? {};
  const enforced = enforced_policies.map(writtenPolicy);
  const members: GoldmaneMembers = {
    source_name: known(key.source_name),
    source_namespace: known(key.source_namespace),
    source_type: key.source_type ?? 0,
    dest_name: known(key.dest_name),
    dest_namespace: known(key.dest_namespace),
    dest_type: key.dest_type ?? 0,
    dest_port: key.dest_port ?? 0,
    dest_service_name: known(key.dest_service_name),
    dest_service_namespace: known(key.dest_service_namespace),
    dest_service_port_name: known(key.dest_service_port_name),
    proto: known(key.proto),
    reporter: key.reporter ?? 0,
    action: key.action ?? 0,
    enforced_policies: enforced,
    pending_policies: pending_policies === enforced_policies ? enforced : pending_policies.map(writtenPolicy),
    start_time: whole('start_time', TIME_RANGE, 0),
    end_time: whole('end_time', TIME_RANGE, 0),
    source_labels: texts('source_labels'),
    dest_labels: texts('dest_labels'),
    packets_in: whole('packets_in', COUNT_RANGE, 0),
    packets_out: whole('packets_out', COUNT_RANGE, 0),
    bytes_in: whole('bytes_in', COUNT_RANGE, 0),
    bytes_out: whole('bytes_out', COUNT_RANGE, 0),
    num_connections_started: whole('num_connections_started', COUNT_RANGE, 0),
    num_connections_completed: whole('num_connections_completed', COUNT_RANGE, 0),
    num_connections_live: whole('num_connections_live', COUNT_RANGE, 0),
    rest: key.dest_service_port === undefined ? {} : { Key: { dest_service_port: key.dest_service_port } },
  };
  json.close();
  const { start_time, end_time } = members;
  return json.wasPlain && start_time > 0 && start_time <= end_time ? { members, sortedKey: key } : undefined;
}

/** Reads in Goldmane's order what it returns in that of the names. */
function readKey() {
  json.open();
  const source_name = text('source_name');
  const source_namespace = text('source_namespace');
  const source_type = whole('source_type', ENUM_RANGE, undefined);
  const dest_name = text('dest_name');
  const dest_namespace = text('dest_namespace');
  const dest_type = whole('dest_type', ENUM_RANGE, undefined);
  const dest_port = whole('dest_port', PORT_RANGE, undefined);
  const dest_service_name = text('dest_service_name');
  const dest_service_namespace = text('dest_service_namespace');
  const dest_service_port_name = text('dest_service_port_name');
  const dest_service_port = whole('dest_service_port', COUNT_RANGE, undefined);
  const proto = text('proto');
  const reporter = whole('reporter', ENUM_RANGE, undefined);
  const action = whole('action', ENUM_RANGE, undefined);
  const policies = json.member('policies') ? readPolicies() : undefined;
  json.close();
  return {
    action,
    dest_name,
    dest_namespace,
    dest_port,
    dest_service_name,
    dest_service_namespace,
    dest_service_port,
    dest_service_port_name,
    dest_type,
    policies,
    proto,
    reporter,
    source_name,
    source_namespace,
    source_type,
  };
}

/** Where nothing is staged, which is nearly always, the same policies come twice: then they are the same list. */
function readPolicies() {
  json.open();
  let enforced_policies: PlainPolicy[] | undefined;
  let [from, to] = [0, 0];
  if (json.member('enforced_policies')) {
    from = json.at;
    enforced_policies = json.list(readHit);
    to = json.at;
  }
  let pending_policies: PlainPolicy[] | undefined;
  if (json.member('pending_policies')) {
    pending_policies = to > 0 && json.repeats(from, to) ? enforced_policies : json.list(readHit);
  }
  json.close();
  return { enforced_policies, pending_policies };
}

interface PlainPolicy {
  readonly action: number | undefined;
  readonly kind: number | undefined;
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly policy_index: number | undefined;
  readonly rule_index: number | undefined;
  readonly tier: string | undefined;
  readonly trigger: PlainPolicy | undefined;
}

function readHit(): PlainPolicy {
  return readPolicy(true);
}

function readPolicy(mayHaveTrigger: boolean): PlainPolicy {
  json.open();
  const kind = whole('kind', ENUM_RANGE, undefined);
  const namespace = text('namespace');
  const name = text('name');
  const tier = text('tier');
  const action = whole('action', ENUM_RANGE, undefined);
  const policy_index = whole('policy_index', INDEX_RANGE, undefined);
  const rule_index = whole('rule_index', RULE_RANGE, undefined);
  const trigger = mayHaveTrigger && json.member('trigger') ? readPolicy(false) : undefined;
  json.close();
  return { action, kind, name, namespace, policy_index, rule_index, tier, trigger };
}

function writtenPolicy(policy: PlainPolicy): string {
  const { trigger, action = 0, policy_index = 0, rule_index = 0 } = policy;
  const own = policyOf(policy);
  // What nobody asks for of a trigger is kept with the record.
  if (
    trigger !== undefined &&
    (own.kind !== END_OF_TIER || trigger.action !== undefined || trigger.policy_index !== undefined)
  )
    json.fail();
  const { kind, tier, namespace, name } = own;
  const named = trigger === undefined ? undefined : policyOf(trigger);
  return policyString({ kind, tier, namespace, name, action, policy_index, rule_index, trigger: named });
}

function policyOf({ kind = 0, tier, namespace, name }: PlainPolicy): Policy {
  const policy = { kind, tier: known(tier), namespace: known(namespace), name: known(name) };
  if (!isWritable(policy)) json.fail();
  return policy;
}

function text(name: string): string | undefined {
  return json.member(name) ? json.text() : undefined;
}

function texts(name: string): readonly string[] {
  return json.member(name) ? json.list(readText) : [];
}

function readText(): string {
  return json.text();
}

function whole<Otherwise>(name: string, range: Range, otherwise: Otherwise): number | Otherwise {
  return json.member(name) ? json.whole(range) : otherwise;
}

/** '' for Calico's "-", which says that it does not apply. */
function known(text: string | undefined): string {
  return text === undefined || text === '-' ? '' : text;
}
