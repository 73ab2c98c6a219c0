import type { KubeClient } from '../../kube/client.ts';
import { allOf, type Filter, not } from '../../logs/query/filter.ts';
import { parseFilter } from '../../logs/query/parse-filter.ts';
import type { Shortcoming } from '../../logs/query/shortcoming.ts';
import { Fields } from '../../logs/types/field.ts';
import { flows } from '../../logs/types/flows.ts';
import type { Direction } from '../../logs/types/grouping.ts';
import { type FoundItem, groupsOf, LogReads, type LogSource } from '../logs/log-reads.ts';
import { Shortcomings } from '../logs/shortcomings.ts';
import { newTurns } from '../logs/shown-logs.ts';
import type { TimeRange } from '../logs/time-flags.ts';
import { readTop } from '../logs/top-reads.ts';
import { type Denial, denialsOf } from './denials.ts';
import { changeOf, changesOf, type PolicyChange } from './policy-changes.ts';

/** Records that are looked at, the newest: a connection that is tried each second for an hour makes some twelve of them. */
const MOST_RECORDS = 10_000;
const PAGE = 1_000;

/** How far back before the first denial changes are looked for, in milliseconds. */
const CHANGED_WITHIN = 86_400_000;
const MOST_CHANGES = 20;

export interface Asked extends TimeRange {
  readonly clusters: readonly string[];
  /** Flows between the two ends. */
  readonly between: Filter;
}

/** What flow logs and audit logs say of connections that were denied. */
export interface Findings {
  readonly denials: readonly Denial[];
  /** Whether there are more records than were looked at. */
  readonly isCut: boolean;
  /** Connections that each end let through, and the end of the last such record, in milliseconds since 1970. */
  readonly allowed: Readonly<Record<Direction, number>> & { readonly last: number | undefined };
  /** The newest first. */
  readonly changes: readonly PolicyChange[];
  /** Whether there are more of them. */
  readonly moreChanges: boolean;
  readonly shortcomings: readonly Shortcoming[];
}

const NEWEST = { order: 'desc', arrivedSince: undefined } as const;
const FIELDS = Fields.of([flows]);
const DENIED = 'action = deny OR "policies.pending_policies" IN {"*|*staged:*|deny|*"}';

/** @throws StatusError what was said of the first cluster where all flow logs are refused */
export async function findOut(client: KubeClient, asked: Asked, signal: AbortSignal): Promise<Findings> {
  const { clusters, since, until, between } = asked;
  const reads = new LogReads({ client, turns: newTurns(), signal });
  const shortcomings = new Shortcomings();
  const read: Read = async (sources, most) => {
    const each = Math.max(Math.floor(most / Math.max(sources.length, 1)), 1);
    const found = await Promise.all(sources.map((source) => newest(reads, source, each, shortcomings)));
    return { items: found.flatMap(({ items }) => items), isCut: found.some(({ isCut }) => isCut) };
  };
  const groups = groupsOf(clusters).map((group) => ({ clusters: group, type: flows }));
  const newestOf = (filter: Filter | undefined, limit: number) =>
    groups.map((group): LogSource => ({ ...group, parameters: { ...NEWEST, since, until, filter, limit } }));

  const { items, isCut } = await read(newestOf(allOf([between, ofFlows(DENIED)]), PAGE), MOST_RECORDS);
  shortcomings.throwIfNothingIsLeft(clusters, [flows]);
  const denials = denialsOf(items.map(({ item }) => item));

  const through = allOf([between, not(ofFlows('action = deny'))]);
  const last = await read(newestOf(through, 1), groups.length);
  const times = last.items.map(({ item }) => item['@timestamp']);
  const parameters = { since, until, filter: through, by: 'port', metric: 'flows', limit: 1 } as const;
  const counted = await readTop(
    reads,
    groups.map((group) => ({ ...group, parameters })),
  );
  shortcomings.add(counted.shortcomings.all);
  const sum = (direction: Direction) => counted.top.totals.find((total) => total.direction === direction)?.value ?? 0;

  const changes = await changesBefore(denials, read);
  return {
    denials,
    isCut,
    allowed: {
      egress: sum('egress'),
      ingress: sum('ingress'),
      last: times.length === 0 ? undefined : Math.max(...times),
    },
    changes: changes.slice(0, MOST_CHANGES),
    moreChanges: changes.length > MOST_CHANGES,
    shortcomings: shortcomings.all,
  };
}

interface Newest {
  readonly items: readonly FoundItem[];
  /** Whether there are more. */
  readonly isCut: boolean;
}

/** Reads the newest records of sources, so many of all of them together. */
type Read = (sources: readonly LogSource[], most: number) => Promise<Newest>;

/** What changed before the first denial in each cluster, the newest first. */
async function changesBefore(denials: readonly Denial[], read: Read): Promise<readonly PolicyChange[]> {
  const byCluster = Map.groupBy(denials, ({ cluster }) => cluster);
  const found = await Promise.all(
    [...byCluster].map(async ([cluster, own]) => {
      const firstEnd = Math.min(...own.map((denial) => denial.firstEnd));
      const since = Math.min(...own.map(({ first }) => first)) - CHANGED_WITHIN;
      const all = await Promise.all(
        changesOf(own).map(async ({ type, filter, isOne }) => {
          const parameters = { ...NEWEST, since, until: firstEnd + 1, filter, limit: PAGE };
          const { items } = await read([{ clusters: [cluster], type, parameters }], PAGE);
          return items.filter(({ item }) => isOne(item)).map(({ item }) => changeOf(cluster, item));
        }),
      );
      return all.flat();
    }),
  );
  return found.flat().sort((a, b) => b.time - a.time);
}

async function newest(reads: LogReads, source: LogSource, most: number, into: Shortcomings): Promise<Newest> {
  const found: FoundItem[] = [];
  for await (const { items, shortcomings } of reads.pages(source)) {
    into.add(shortcomings);
    found.push(...items);
    if (found.length > most) return { items: found.slice(0, most), isCut: true };
  }
  return { items: found, isCut: false };
}

function ofFlows(text: string): Filter {
  const filter = parseFilter(text, FIELDS, 'flow logs');
  if (filter === undefined) throw new Error('a query without words');
  return filter;
}
