import { parseTime } from '../../logs/record/time.ts';
import type { Direction } from '../../logs/types/grouping.ts';
import { endOf, list, object, portOf, type StoredRecord, text } from '../../logs/types/log-type.ts';
import { type PolicyHit, PROFILES, parsePolicyHit, policyWords } from '../../logs/types/policy-hit.ts';

/** A policy that a connection met on its way through the tiers. */
export interface PolicyStep {
  readonly tier: string;
  /** As flow logs name it: `store/default.redis-only`. */
  readonly policy: string;
  /** `allow`, `deny` or `pass`. */
  readonly action: string;
  /** A rule of it said so, by its number; or none matched, and the end of its tier did; or that is not known. */
  readonly by: 'rule' | 'end-of-tier' | 'unknown';
  readonly rule?: number;
}

/** Connections that were denied for the same reason. */
export interface Denial {
  readonly cluster: string;
  /** A staged policy denies nothing: it would have. */
  readonly staged: boolean;
  readonly direction: Direction;
  readonly reporter: string;
  /** Tier by tier, the one that denied the last. */
  readonly policies: readonly PolicyStep[];
  /** `store/frontend-754cdbf884-* -> store/redis-* tcp/6379`, the most frequent first. */
  readonly between: readonly string[];
  readonly records: number;
  readonly connections: number;
  readonly packets: number;
  /** Milliseconds since 1970: the start of the first record, and the end of the last. */
  readonly first: number;
  readonly last: number;
  /** The end of the first record: it was denied by then. */
  readonly firstEnd: number;
}

/** What a record says, before it is put together with others. */
interface Seen extends Omit<Denial, 'between' | 'cluster'> {
  readonly cluster: string;
  readonly between: ReadonlyMap<string, number>;
}

/** Why the connections of these records were denied, or would be; what denied most of them first. */
export function denialsOf(records: Iterable<StoredRecord>): readonly Denial[] {
  const found = new Map<string, Seen>();
  for (const record of records) {
    for (const seen of seenIn(record)) {
      const { cluster, staged, direction, policies } = seen;
      const id = JSON.stringify([cluster, staged, direction, policies]);
      const known = found.get(id);
      found.set(id, known === undefined ? seen : merged(known, seen));
    }
  }
  return [...found.values()]
    .map((seen) => ({ ...seen, between: mostFirst(seen.between) }))
    .sort((a, b) => Number(a.staged) - Number(b.staged) || b.connections - a.connections || b.records - a.records);
}

function seenIn(record: StoredRecord): Seen[] {
  const { enforced_policies: enforced, pending_policies: pending, all_policies: all } = object(record.policies);
  const hits = hitsOf(list(enforced).length > 0 ? enforced : all).filter(({ isStaged }) => !isStaged);
  const would = hitsOf(pending).filter(({ isStaged, action }) => isStaged && action === 'deny');
  const reporter = text(record.reporter);
  const last = Number(record['@timestamp']);
  const connections = count(record.num_flows_started);
  const seen = {
    cluster: text(record.cluster),
    reporter,
    direction: reporter === 'dst' ? ('ingress' as const) : ('egress' as const),
    between: new Map([[betweenOf(record), connections]]),
    records: 1,
    connections,
    packets: count(record.packets_in) + count(record.packets_out),
    first: parseTime(record.start_time) ?? last,
    last,
    firstEnd: last,
  };
  return [
    ...(record.action === 'deny' ? [{ ...seen, staged: false, policies: hits.map(stepOf) }] : []),
    ...would.map((hit) => ({ ...seen, staged: true, policies: [stepOf(hit)] })),
  ];
}

function merged(one: Seen, other: Seen): Seen {
  const between = new Map(one.between);
  for (const [words, connections] of other.between) between.set(words, (between.get(words) ?? 0) + connections);
  return {
    ...one,
    between,
    records: one.records + other.records,
    connections: one.connections + other.connections,
    packets: one.packets + other.packets,
    first: Math.min(one.first, other.first),
    last: Math.max(one.last, other.last),
    firstEnd: Math.min(one.firstEnd, other.firstEnd),
  };
}

function hitsOf(value: unknown): PolicyHit[] {
  return list(value)
    .flatMap((hit) => parsePolicyHit(hit) ?? [])
    .sort((a, b) => a.index - b.index);
}

function stepOf({ tier, name, action, rule }: PolicyHit): PolicyStep {
  const step = { tier, policy: name, action };
  if (rule >= 0) return { ...step, by: 'rule', rule };
  return { ...step, by: rule === -1 ? 'end-of-tier' : 'unknown' };
}

/** What a step decided, for people. */
export function decisionWords({ tier, action, by, rule }: PolicyStep): string {
  if (by === 'rule') return `${action} (rule ${rule})`;
  if (by === 'unknown') return action;
  if (tier === PROFILES) return `${action} (no policy applies, and no profile has a rule for it)`;
  return `${action} (end of tier "${tier}": no rule matched)`;
}

export function stepWords({ tier, policy }: PolicyStep): string {
  return policyWords(tier, policy);
}

function betweenOf(record: StoredRecord): string {
  return `${endOf(record, 'source')} -> ${endOf(record, 'dest')} ${portOf(record)}`.trim();
}

function mostFirst(between: ReadonlyMap<string, number>): readonly string[] {
  return [...between].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([words]) => words);
}

function count(value: unknown): number {
  const number = Number(value ?? 0);
  return Number.isFinite(number) ? number : 0;
}
