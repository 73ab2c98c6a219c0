import { UserError } from '../../errors.ts';
import { MOST_ROWS, type Total } from '../../logs/query/aggregation.ts';
import type { LogTop, TopItem } from '../../logs/query/log-top.ts';
import { compare } from './compare.ts';
import type { LogReads, TopSource } from './log-reads.ts';
import { Shortcomings } from './shortcomings.ts';

/** The largest groups of all sources together. */
export interface MergedTop {
  /** How many groups there are in all; where some were left out of an answer, at least so many. */
  readonly groups: number;
  readonly totals: readonly Total[];
  readonly items: readonly TopItem[];
  /** By how much a value may be too small; 0 where all are exact. */
  readonly shortBy: number;
}

/** Groups of all clusters together that are held. */
const MOST_MERGED = 200_000;

/**
 * Asks for each type by itself, of as many clusters as one request takes. One answer has the largest groups; several have
 * all there are, so that what is added up is exact: unless one has more than an answer takes.
 *
 * @throws UserError where there are more groups than can be held
 */
export async function readTop(
  reads: LogReads,
  sources: readonly TopSource[],
): Promise<{ readonly top: MergedTop; readonly shortcomings: Shortcomings }> {
  const shortcomings = new Shortcomings();
  const merging = new Merging();
  const isMerged = sources.length > 1;
  await Promise.all(
    sources.map(async (source) => {
      const parameters = isMerged ? { ...source.parameters, limit: MOST_ROWS } : source.parameters;
      const found = await reads.top({ ...source, parameters });
      shortcomings.add(found.shortcomings);
      if (found.answer !== undefined) merging.add(found.answer);
    }),
  );
  return { top: merging.top(sources[0]?.parameters.limit ?? 0, isMerged), shortcomings };
}

/** Adds up what several sources say of the same groups: exactly, as long as each says all of its own. */
export class Merging {
  readonly #items = new Map<string, TopItem>();
  readonly #totals = new Map<string | undefined, Total>();
  #unmerged = 0;
  #shortBy = 0;

  /** @throws UserError */
  add({ groups, totals, items }: LogTop): void {
    for (const total of totals) this.#totals.set(total.direction, sum(this.#totals.get(total.direction), total));
    for (const item of items) {
      const id = idOf(item);
      this.#items.set(id, sum(this.#items.get(id), item));
    }
    if (this.#items.size > MOST_MERGED) {
      throw new UserError(`error: these clusters have more than ${MOST_MERGED} groups together`, {
        hint: 'Ask for fewer clusters, for less time, or for some of the records only',
      });
    }
    if (groups === items.length) return;
    this.#unmerged = Math.max(this.#unmerged, groups);
    this.#shortBy += items.at(-1)?.value ?? 0;
  }

  top(limit: number, isMerged: boolean): MergedTop {
    const all = [...this.#items.values()].sort((a, b) => b.value - a.value || compare(idOf(a), idOf(b)));
    return {
      groups: Math.max(all.length, this.#unmerged),
      totals: [...this.#totals.values()],
      items: all.slice(0, limit),
      // What one source alone leaves out is smaller than all that it says.
      shortBy: isMerged ? this.#shortBy : 0,
    };
  }
}

function sum<T extends Total>(one: T | undefined, other: T): T {
  if (one === undefined) return other;
  return { ...one, value: one.value + other.value, records: one.records + other.records };
}

function idOf({ group, direction }: TopItem): string {
  return JSON.stringify([Object.values(group), direction]);
}
