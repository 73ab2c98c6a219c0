import { ACTIONS, ENUM_RANGE, enumName } from './enums.ts';
import type { JsonFields } from './json-fields.ts';

const PROFILE = 9;
export const END_OF_TIER = 10;

/** How flow logs write the name of a policy in its tier, by Goldmane's number for the policy's kind. */
const FORMATS: Readonly<Record<number, (tier: string, name: string) => string>> = {
  1: (tier, name) => `${tier}.${withoutTier(tier, name)}`, // NetworkPolicy
  2: (tier, name) => `${tier}.${withoutTier(tier, name)}`, // GlobalNetworkPolicy
  3: (tier, name) => `${tier}.staged:${withoutTier(tier, name)}`, // StagedNetworkPolicy
  4: (tier, name) => `${tier}.staged:${withoutTier(tier, name)}`, // StagedGlobalNetworkPolicy
  5: (tier, name) => `staged:knp.${tier}.${name}`, // StagedKubernetesNetworkPolicy
  6: (tier, name) => `knp.${tier}.${name}`, // Kubernetes' NetworkPolicy
  7: (tier, name) => `kanp.${tier}.${name}`, // AdminNetworkPolicy, until Calico 3.31
  8: (tier, name) => `kbanp.${tier}.${name}`, // BaselineAdminNetworkPolicy, until Calico 3.31
  [PROFILE]: (tier, name) => `${tier}.${name}`,
  [END_OF_TIER]: (tier, name) => `${tier}.${name}`,
  11: (tier, name) => `kcnp.${tier}.${name}`, // ClusterNetworkPolicy, from Calico 3.32
};

/** Felix's words for the tier of profiles, which Goldmane leaves out, and for a policy without a name. */
const PROFILES_TIER = '__PROFILE__';
const NO_POLICY = '__NO_MATCH__';

/** A policy, as Goldmane has it; a text is '' and a number 0 where it says nothing. */
export interface Policy {
  readonly kind: number;
  readonly tier: string;
  readonly namespace: string;
  readonly name: string;
}

/** A policy that a flow met. */
export interface PolicyHit extends Policy {
  readonly action: number;
  readonly policy_index: number;
  /** -1 is the end of the tier, -2 an unknown rule. */
  readonly rule_index: number;
  /** Of the end of a tier: the policy that made the tier apply. */
  readonly trigger: Policy | undefined;
}

export const INDEX_RANGE = { from: 0, to: 1_000_000 };
export const RULE_RANGE = { from: -2, to: 1_000_000 };

/**
 * One policy that a flow met, as Felix and Calico's documentation write it: `<index>|<tier>|<name>|<action>|<rule>`,
 * with the name as `<tier>.<name>`, `<namespace>/<tier>.<name>` or `<namespace>/knp.default.<name>`, and for staged
 * ones `<namespace>/<tier>.staged:<name>` or `<namespace>/staged:knp.default.<name>`. (Inside Felix 3.32 the name is
 * `np:<namespace>/<name>`: a form that no flow log has.)
 *
 * The end of a tier has the name of its trigger. A kind without a format here stands before the name as its number:
 * `12:shop/web`.
 */
export function policyString(hit: PolicyHit): string {
  const named = hit.trigger ?? hit;
  const tier = hit.tier || named.tier || (named.kind === PROFILE ? PROFILES_TIER : '-');
  return `${hit.policy_index}|${tier}|${nameIn(tier, named)}|${enumName(hit.action, ACTIONS)}|${hit.rule_index}`;
}

/** Reads one. @throws Error with what is wrong. */
export function readPolicyHit(hit: JsonFields): PolicyHit {
  const own = readPolicy(hit);
  const trigger = own.kind === END_OF_TIER ? hit.object('trigger') : undefined;
  return {
    ...own,
    action: hit.whole('action', ENUM_RANGE),
    policy_index: hit.whole('policy_index', INDEX_RANGE),
    rule_index: hit.whole('rule_index', RULE_RANGE),
    trigger: trigger === undefined ? undefined : readTrigger(trigger),
  };
}

function readPolicy(fields: JsonFields): Policy {
  const policy = {
    kind: fields.whole('kind', ENUM_RANGE),
    tier: fields.text('tier'),
    namespace: fields.text('namespace'),
    name: fields.text('name'),
  };
  if (!isWritable(policy)) throw fields.error('has a | in its name');
  return policy;
}

/** Its rule says nothing more than that it is none. */
function readTrigger(fields: JsonFields): Policy {
  fields.whole('rule_index', RULE_RANGE);
  return readPolicy(fields);
}

/** Whether a policy's names can stand between the lines of a policyString. */
export function isWritable({ tier, namespace, name }: Policy): boolean {
  return !(tier.includes('|') || namespace.includes('|') || name.includes('|'));
}

function nameIn(tier: string, { kind, namespace, name }: Policy): string {
  const place = namespace === '' ? '' : `${namespace}/`;
  const format = FORMATS[kind];
  const known = name || NO_POLICY;
  return format === undefined ? `${kind}:${place}${known}` : `${place}${format(tier, known)}`;
}

/** Up to Calico 3.31 names come without their tier, from 3.32 as they are in the object: with the tier or without. */
function withoutTier(tier: string, name: string): string {
  return name.startsWith(`${tier}.`) ? name.slice(tier.length + 1) : name;
}
