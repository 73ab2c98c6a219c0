/**
 * Patterns of the policies that are called so, in what flows say of the policies they met:
 * `<index>|<tier>|<name>|<action>|<rule>`, where the name may have its namespace before it (`store/`), its tier, and
 * `staged:` or the kind of policy (`knp.default.`). So `redis-only`, `default.redis-only`, `store/redis-only` and
 * `store/default.redis-only` all find `0|default|store/default.redis-only|allow|0`. Wildcards in `name` stay what they
 * are.
 */
export function policyPatterns(name: string): string[] {
  const slash = name.indexOf('/');
  const namespace = slash === -1 ? '' : name.slice(0, slash + 1);
  const own = name.slice(slash + 1);
  const names = [`${namespace}${own}`, `${namespace}*.${own}`, `${namespace}*:${own}`];
  if (namespace === '') names.push(`*/${own}`);
  return names.map((part) => `*|*|${part}|*|*`);
}

/** Of policies that are staged: they only say what they would do. */
export const STAGED_POLICIES = '*|*|*staged:*|*|*';
