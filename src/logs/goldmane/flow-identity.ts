import { hash } from 'node:crypto';

/**
 * What a Goldmane flow is known by within its cluster: a hash of its Key and its times, in 22 characters. The same for a
 * flow that is sent again, whatever order its members come in and whatever its counters say.
 *
 * The Key goes in as it came, with what this version does not know of it. So does the order of its policies: up to
 * Calico 3.31.4 one flow's policies come in any order, and Goldmane counts each order as a flow of its own.
 */
export function flowIdentity(sortedKey: unknown, start: number, end: number): string {
  return hash('sha256', JSON.stringify([sortedKey, start, end]), 'base64url').slice(0, 22);
}

/** The same value with the members of its objects in order of their names. */
export function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const members = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.keys(members)
      .sort()
      .map((name) => [name, sorted(members[name])]),
  );
}
