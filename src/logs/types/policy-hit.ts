/** A policy that a flow met, of what flow logs say of it: `<index>|<tier>|<name>|<action>|<rule>`. */
export interface PolicyHit {
  /** Its place among those that the flow met; the list comes in any order. */
  readonly index: number;
  readonly tier: string;
  /** As it stands there: `store/default.redis-only`. */
  readonly name: string;
  /** `allow`, `deny` or `pass`. */
  readonly action: string;
  /** -1 where none of its rules matched and the tier's end decided, -2 where that is not known. */
  readonly rule: number;
  readonly isStaged: boolean;
}

/** undefined for what is none. */
export function parsePolicyHit(value: unknown): PolicyHit | undefined {
  const [index = '', tier = '', name = '', action = '', rule = '', ...more] = String(value).split('|');
  if (name === '' || action === '' || more.length > 0) return undefined;
  return { index: Number(index), tier, name, action, rule: Number(rule), isStaged: name.includes('staged:') };
}

/** The tier of what applies to an endpoint by itself, when no policy does. */
export const PROFILES = '__PROFILE__';

/** `default/store.redis-only` of tier `default` and name `store/default.redis-only`; names repeat their tier. */
export function policyWords(tier: string, name: string): string {
  if (tier === '') return '';
  const [policy = '', namespace = ''] = name.split('/').reverse();
  const own = policy.startsWith(`${tier}.`) ? policy.slice(tier.length + 1) : policy;
  if (tier === PROFILES) return `profile ${own}`;
  return `${tier}/${namespace === '' ? '' : `${namespace}.`}${own}`;
}
