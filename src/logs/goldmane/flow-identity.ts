import { hash } from 'node:crypto';

/**
 * What a Goldmane flow is known by within its cluster: a hash of its Key and its times, in 22 characters. The same for a
 * flow that is sent again, whatever order its members come in and whatever its counters say.
 *
 * The Key goes in as it came, with what this version does not know of it, as `keyText` has it. So does the order of its
 * policies: up to Calico 3.31.4 one flow's policies come in any order, and Goldmane counts each order as a flow of its own.
 */
export function flowIdentity(text: string | Buffer): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}

/** What an identity is of. */
export function identityText(key: unknown, start: number, end: number): string {
  return `${keyText(key)} ${start} ${end}`;
}

/** The order in which Goldmane writes members, so that its own text of a Key is the text of that Key. */
const ORDER: ReadonlyMap<string, number> = new Map(
  [
    ...['source_name', 'source_namespace', 'source_type', 'dest_name', 'dest_namespace', 'dest_type', 'dest_port'],
    ...['dest_service_name', 'dest_service_namespace', 'dest_service_port_name', 'dest_service_port'],
    ...['proto', 'reporter', 'kind', 'namespace', 'name', 'tier', 'action', 'policy_index', 'rule_index', 'trigger'],
    ...['policies', 'enforced_policies', 'pending_policies'],
  ].map((name, at) => [name, at]),
);

/** A Key as JSON, whatever order its members came in: in Goldmane's order, and then by their names. */
function keyText(key: unknown): string {
  return JSON.stringify(inOrder(key));
}

function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inOrder);
  const place = (name: string) => ORDER.get(name) ?? ORDER.size;
  const members = Object.entries(value).sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, inOrder(member)]));
}
