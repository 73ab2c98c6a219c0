import { ACTIONS, ENUM_RANGE, enumName } from './enums.ts';
import type { JsonFields } from './json-fields.ts';

const PROFILE = 9;
const END_OF_TIER = 10;

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

const INDEX_RANGE = { to: 1_000_000 };
/** -1 is the end of the tier, -2 an unknown rule. */
const RULE_RANGE = { from: -2, to: 1_000_000 };

/**
 * One policy that a flow met, as Felix and Calico's documentation write it: `<index>|<tier>|<name>|<action>|<rule>`,
 * with the name as `<tier>.<name>`, `<namespace>/<tier>.<name>` or `<namespace>/knp.default.<name>`, and for staged
 * ones `<namespace>/<tier>.staged:<name>` or `<namespace>/staged:knp.default.<name>`. (Inside Felix 3.32 the name is
 * `np:<namespace>/<name>`: a form that no flow log has.)
 *
 * The end of a tier has the name of the policy that made the tier apply, which Goldmane calls its trigger. A kind
 * without a format here stands before the name as its number: `12:shop/web`.
 *
 * @throws Error with what is wrong.
 */
export function policyString(hit: JsonFields): string {
  const own = readPolicy(hit);
  const trigger = own.kind === END_OF_TIER ? hit.object('trigger') : undefined;
  const named = trigger === undefined ? own : readPolicy(trigger);
  const tier = own.tier || named.tier || (named.kind === PROFILE ? PROFILES_TIER : '-');
  const index = hit.whole('policy_index', INDEX_RANGE);
  return `${index}|${tier}|${nameIn(tier, named)}|${enumName(hit, 'action', ACTIONS)}|${own.rule}`;
}

interface Policy {
  readonly kind: number;
  readonly tier: string;
  readonly namespace: string;
  readonly name: string;
  readonly rule: number;
}

function readPolicy(hit: JsonFields): Policy {
  const policy = {
    kind: hit.whole('kind', ENUM_RANGE),
    tier: hit.text('tier'),
    namespace: hit.text('namespace'),
    name: hit.text('name'),
    rule: hit.whole('rule_index', RULE_RANGE),
  };
  if (`${policy.tier}${policy.namespace}${policy.name}`.includes('|')) throw hit.error('has a | in its name');
  return policy;
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
