/** The policies that a flow met, as the strings that flow logs have: see policy-string.ts. */
import { close, closeList, fail, hasFailed, member, nextItem, open, openList, text, whole } from './reader';
import { Value } from './value';
import { copy, enumName, number, put, putValue, textOr, written } from './writer';

/** Where each string begins and ends, as u32; they are written where the caller has things written. */
const ITEMS: usize = 0x1e000;

/** Of enforced and pending policies together. Flows with more are rare, and left to the long way. */
const MAX_POLICIES: i32 = 200;

/** As in enums.ts and policy-string.ts. */
const LAST_ENUM: i64 = 0x7fff_ffff;
const LAST_INDEX: i64 = 1_000_000;
const UNKNOWN_RULE: i64 = -2;

/** Kinds of policies. */
const PROFILE: i64 = 9;
const END_OF_TIER: i64 = 10;

const DOT: u8 = 0x2e;
const BAR: u8 = 0x7c;

class Policy {
  readonly kind: Value = new Value();
  readonly namespace: Value = new Value();
  readonly name: Value = new Value();
  readonly tier: Value = new Value();
}

const policy = new Policy();
const trigger = new Policy();
const policyAction = new Value();
const policyIndex = new Value();
const ruleIndex = new Value();
const triggerRule = new Value();

/** How many policies there are: the enforced ones, and those with the pending ones. */
let enforced: i32 = 0;
let policies: i32 = 0;

/** Those of a Key. */
export function readAllPolicies(): void {
  policies = 0;
  enforced = 0;
  if (!member('"policies":')) return;
  open();
  if (member('"enforced_policies":')) readPolicies();
  enforced = policies;
  if (member('"pending_policies":')) readPolicies();
  close();
}

/** All are those that the other two hold, each once. */
export function writeAllPolicies(): void {
  put('{"all_policies":[');
  writePolicies(0, policies, true);
  put('],"enforced_policies":[');
  writePolicies(0, enforced, false);
  put('],"pending_policies":[');
  writePolicies(enforced, policies, false);
  put(']}');
}

/** A list of policies; each is written as a string of JSON. */
function readPolicies(): void {
  for (let more = openList(); more; more = nextItem()) readPolicy();
  closeList();
}

function readPolicy(): void {
  open();
  readNames(policy);
  whole(policyAction, '"action":', 0, LAST_ENUM);
  whole(policyIndex, '"policy_index":', 0, LAST_INDEX);
  whole(ruleIndex, '"rule_index":', UNKNOWN_RULE, LAST_INDEX);
  const hasTrigger = member('"trigger":');
  if (hasTrigger) {
    open();
    readNames(trigger);
    whole(triggerRule, '"rule_index":', UNKNOWN_RULE, LAST_INDEX);
    close();
    // Nobody asks a policy of another kind for one: it is kept with the record.
    if (policy.kind.number !== END_OF_TIER) fail();
  }
  close();
  if (policies === MAX_POLICIES) fail();
  if (hasFailed()) return;
  store<u32>(ITEMS + (policies << 3), u32(written()));
  writePolicy(hasTrigger ? trigger : policy);
  store<u32>(ITEMS + (policies << 3), u32(written()), 4);
  policies++;
}

function readNames(policy: Policy): void {
  whole(policy.kind, '"kind":', 0, LAST_ENUM);
  text(policy.namespace, '"namespace":');
  text(policy.name, '"name":');
  text(policy.tier, '"tier":');
  if (hasBar(policy.namespace) || hasBar(policy.name) || hasBar(policy.tier)) fail();
}

function hasBar(value: Value): bool {
  for (let at = value.from; at < value.to; at++) if (load<u8>(at) === BAR) return true;
  return false;
}

/** See policyString; `named` is the trigger where there is one. */
function writePolicy(named: Policy): void {
  const tier = policy.tier.isEmpty ? named.tier : policy.tier;
  const noTier = named.kind.number === PROFILE ? '__PROFILE__' : '-';
  put('"');
  number(policyIndex);
  put('|');
  textOr(tier, noTier);
  put('|');
  writeName(tier, noTier, named);
  put('|');
  enumName(policyAction, 'allow', 'deny', 'pass', '');
  put('|');
  number(ruleIndex);
  put('"');
}

function writeName(tier: Value, noTier: string, policy: Policy): void {
  const kind = policy.kind.number;
  const name = policy.name;
  const hasFormat = kind >= 1 && kind <= 11;
  if (!hasFormat) {
    number(policy.kind);
    put(':');
  }
  if (!policy.namespace.isEmpty) {
    putValue(policy.namespace);
    put('/');
  }
  if (!hasFormat) {
    textOr(name, '__NO_MATCH__');
    return;
  }
  if (kind === 5) put('staged:knp.');
  else if (kind === 6) put('knp.');
  else if (kind === 7) put('kanp.');
  else if (kind === 8) put('kbanp.');
  else if (kind === 11) put('kcnp.');
  textOr(tier, noTier);
  put('.');
  if (kind === 3 || kind === 4) put('staged:');
  if (kind <= 4) nameWithout(tier, name);
  else textOr(name, '__NO_MATCH__');
}

/** The name of a policy, without that of its tier and a dot before it; one without a tier is left to the long way. */
function nameWithout(tier: Value, name: Value): void {
  const length = tier.to - tier.from;
  if (length === 0) fail();
  const isBefore =
    name.to - name.from > length &&
    load<u8>(name.from + length) === DOT &&
    memory.compare(name.from, tier.from, length) === 0;
  if (isBefore) copy(name.from + length + 1, name.to - name.from - length - 1);
  else textOr(name, '__NO_MATCH__');
}

/** Policies as the items of a list; each but once, if that is asked for. */
function writePolicies(from: i32, to: i32, once: bool): void {
  let isFirst = true;
  for (let item = from; item < to; item++) {
    if (once && isRepeated(item)) continue;
    if (!isFirst) put(',');
    isFirst = false;
    copy(beginOf(item), lengthOf(item));
  }
}

function isRepeated(item: i32): bool {
  const length = lengthOf(item);
  for (let before = 0; before < item; before++) {
    if (lengthOf(before) === length && memory.compare(beginOf(before), beginOf(item), length) === 0) return true;
  }
  return false;
}

function beginOf(item: i32): usize {
  return load<u32>(ITEMS + (item << 3));
}

function lengthOf(item: i32): usize {
  return usize(load<u32>(ITEMS + (item << 3), 4)) - beginOf(item);
}
