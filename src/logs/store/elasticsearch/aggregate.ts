import { errors, type estypes } from '@elastic/elasticsearch';
import { UserError } from '../../../errors.ts';
import {
  type AggregationPlan,
  type CountedGroup,
  type LogAggregation,
  planOf,
  type Total,
} from '../../query/aggregation.ts';
import { mostToScan } from '../../query/scan.ts';
import type { Direction, KeyValue } from '../../types/grouping.ts';
import type { CountedGroups } from '../log-store.ts';
import { unavailable } from './bulk.ts';
import type { IndexNames } from './index-names.ts';
import type { JoinedSearches } from './joined-searches.ts';
import { type Asked, onceStarted, requestFor } from './request.ts';
import type { ScanLimit } from './scan-limit.ts';

type Query = estypes.QueryDslQueryContainer;
type Aggregations = Record<string, estypes.AggregationsAggregationContainer>;

/** What Elasticsearch answers to the aggregations that are asked for here. */
interface Bucket {
  readonly doc_count: number;
  readonly [sum: `sum${number}`]: { readonly value: number };
}

/** Of the values that a key's first fields have, one, and in it those that the next field has. */
interface ValueBucket extends Bucket {
  readonly key: KeyValue;
  readonly next?: Buckets<ValueBucket>;
}

interface Buckets<T> {
  readonly buckets: readonly T[];
  /** Records of the values that are not among them. */
  readonly sum_other_doc_count?: number;
}

/**
 * Values of keys that one end of records may have. All of them are asked for at once, so that what is answered is exact;
 * both ends' stay within the 65,536 buckets that Elasticsearch gives in one answer.
 */
const MOST_KEYS = 30_000;

/** Elasticsearch's word for more than that. */
const TOO_MANY_BUCKETS = 'too_many_buckets_exception';

/** Groups that are asked for by themselves at once. */
const MOST_FILTERS = 200;

/**
 * The largest groups, exactly. All records of the time are looked at, whether there is a filter or not.
 *
 * @throws UserError where there are more values of a key than can be looked through, StoreUnavailable, ScanTooWide
 */
export async function aggregateRecords(
  searches: JoinedSearches,
  names: IndexNames,
  asked: LogAggregation,
  limit: ScanLimit,
  signal: AbortSignal,
): Promise<CountedGroups> {
  const any = limit.mostScanned === 0 ? undefined : limit.mostScanned;
  const most = mostToScan(asked, limit.mostScanned) ?? any;
  const read = (limited: AbortSignal) => new Aggregation(searches, names, asked, limited).read();
  try {
    return await limit.keep(recordsOf(asked), asked, most, read, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof errors.ElasticsearchClientError)) throw error;
    throw unavailable(error);
  }
}

/** Which records are looked at, whenever they came. */
function recordsOf(asked: LogAggregation): Asked {
  return { ...asked, arrivedSince: undefined };
}

/** Records of one group that have the same values in the same key. */
interface Part {
  /** Which key, and what its reporter says where that counts. */
  readonly end: number;
  readonly reporter: string | undefined;
  readonly values: readonly KeyValue[];
}

/** A group of which so much is known: no more than `value` in all, and exactly that if it is of one part. */
interface Candidate extends CountedGroup {
  readonly parts: readonly Part[];
}

/** What is counted by itself: the reports of one direction, or everything. */
interface Side {
  readonly name: Direction | undefined;
  readonly reporter: string | undefined;
  readonly query: Query;
}

class Aggregation {
  readonly #searches: JoinedSearches;
  readonly #asked: LogAggregation;
  readonly #plan: AggregationPlan;
  readonly #signal: AbortSignal;
  readonly #request: estypes.SearchRequest;
  readonly #sums: Aggregations;
  readonly #directions: readonly Side[];

  constructor(searches: JoinedSearches, names: IndexNames, asked: LogAggregation, signal: AbortSignal) {
    this.#searches = searches;
    this.#asked = asked;
    this.#plan = planOf(asked);
    this.#signal = signal;
    const { filter, sums, reporter } = this.#plan;
    this.#directions = directionsOf(reporter);
    this.#sums = Object.fromEntries(sums.map(({ path }, at) => [`sum${at}`, { sum: { field: path } }]));
    this.#request = { ...requestFor(names, { ...recordsOf(asked), filter }), size: 0, track_total_hits: true };
  }

  async read(): Promise<CountedGroups> {
    const { candidates, totals } = await this.#candidates();
    const rows = await this.#largest(candidates);
    return { count: candidates.length, rows, totals };
  }

  /** Every group there is, the one that may be the largest first. */
  async #candidates(): Promise<{ readonly candidates: readonly Candidate[]; readonly totals: readonly Total[] }> {
    const { keys } = this.#plan;
    const ends = keys.map((_, end): [string, Aggregations[string]] => [`end${end}`, this.#keysOf(end)]);
    const sides = { sides: { filters: { filters: this.#directions.map(({ query }) => query) }, aggs: this.#sums } };
    const { found, all } = await this.#search<ValueBucket>({
      ...Object.fromEntries(ends),
      ...(this.#plan.reporter === undefined ? {} : sides),
    });
    const groups = new Map<string, Candidate>();
    let ofOneEnd: readonly Total[] = [];
    for (const end of keys.keys()) {
      const valued = [...valuesIn(found[`end${end}`])];
      if (valued.length > MOST_KEYS || valued.some(({ isCut }) => isCut)) throw this.#tooMany();
      for (const { values, bucket } of valued) this.#add(groups, end, values, bucket);
      ofOneEnd = valued.map(({ bucket }) => this.#counted(bucket));
    }
    const totals = found.sides?.buckets.map((bucket, at): Total => {
      const { name } = this.#directions[at] ?? {};
      return { ...this.#counted(bucket), ...(name === undefined ? {} : { direction: name }) };
    });
    return {
      candidates: [...groups.values()].filter(({ value }) => value > 0).sort(larger),
      totals: totals ?? [await this.#total(all.doc_count, ofOneEnd)],
    };
  }

  /**
   * All of so many records, of which these are in the values of a key. To add them up once more takes Elasticsearch as
   * long as a third of all that, so that is left to where records have no such value, or a list of them.
   */
  async #total(records: number, valued: readonly Total[]): Promise<Total> {
    const sum = (of: 'value' | 'records') => valued.reduce((all, counted) => all + counted[of], 0);
    if (this.#plan.sums.length === 0) return { value: records, records };
    if (sum('records') === records) return { value: sum('value'), records };
    const { all } = await this.#search<ValueBucket>(this.#sums);
    return this.#counted(all);
  }

  /** The values that one end's key has, and what there is of each: those of a field within those of the one before. */
  #keysOf(end: number): Aggregations[string] {
    const { keys, reporter } = this.#plan;
    // The reporter first, which has two values: each value that others are within is a bucket more.
    const fields = [...(reporter === undefined ? [] : [reporter.field]), ...(keys[end] ?? [])];
    const within = fields.reduceRight<Aggregations>(
      // As many of each shard: where one of them has more, it says so.
      (aggs, { path }) => ({ next: { terms: { field: path, size: MOST_KEYS + 1, shard_size: MOST_KEYS + 1 }, aggs } }),
      this.#sums,
    );
    return within.next as Aggregations[string];
  }

  #add(groups: Map<string, Candidate>, end: number, all: readonly KeyValue[], bucket: Bucket): void {
    const { grouping, reporter: reports } = this.#plan;
    const reporter = reports === undefined ? undefined : String(all[0]);
    const values = reports === undefined ? all : all.slice(1);
    const members = grouping.read(values);
    const direction = this.#directions.find((one) => one.reporter === reporter);
    if (members === undefined || direction === undefined) return;
    const id = JSON.stringify([members, direction.name]);
    const known = groups.get(id);
    const { value, records } = this.#counted(bucket);
    groups.set(id, {
      members,
      ...(direction.name === undefined ? {} : { direction: direction.name }),
      value: value + (known?.value ?? 0),
      records: records + (known?.records ?? 0),
      parts: [...(known?.parts ?? []), { end, reporter, values }],
    });
  }

  /**
   * The largest of them. A record may be in several parts of a group (from a namespace, and to it): such a group is no
   * larger than its parts together, and is asked for as a whole, until those that are left can be no larger.
   */
  async #largest(candidates: readonly Candidate[]): Promise<readonly CountedGroup[]> {
    const { limit } = this.#asked;
    const exact: CountedGroup[] = [];
    for (let at = 0; at < candidates.length; ) {
      const least = exact.sort(larger)[limit - 1]?.value ?? 0;
      if ((candidates[at]?.value ?? 0) < least) break;
      const lot = candidates.slice(at, at + Math.min(MOST_FILTERS, Math.max(limit, 20)));
      exact.push(...(await this.#whole(lot)));
      at += lot.length;
    }
    return exact.sort(larger).slice(0, limit);
  }

  async #whole(lot: readonly Candidate[]): Promise<CountedGroup[]> {
    const exact = lot.filter(({ parts }) => parts.length === 1);
    const open = lot.filter(({ parts }) => parts.length > 1);
    const counted = open.length === 0 ? [] : await this.#count(open.map(({ parts }) => this.#queryOf(parts)));
    return [
      ...exact.map(({ parts: _, ...group }) => group),
      ...open.map(({ parts: _, ...group }, at) => ({ ...group, ...counted[at] })),
    ];
  }

  async #count(queries: readonly Query[]): Promise<readonly Total[]> {
    const { found } = await this.#search<Bucket>({ groups: { filters: { filters: [...queries] }, aggs: this.#sums } });
    return (found.groups?.buckets ?? []).map((bucket) => this.#counted(bucket));
  }

  /** Any of the parts; those that differ in their first value alone are one clause, of which a query has only so many. */
  #queryOf(parts: readonly Part[]): Query {
    const { keys, reporter: reports } = this.#plan;
    const together = Map.groupBy(parts, ({ end, reporter, values }) =>
      JSON.stringify([end, reporter, values.slice(1)]),
    );
    const should = [...together.values()].map((alike): Query => {
      const [{ end, reporter, values } = { end: 0, reporter: undefined, values: [] }] = alike;
      const fields = keys[end] ?? [];
      const filter = fields.map(({ path }, at): Query => {
        return { terms: { [path]: at === 0 ? alike.map((part) => part.values[0] ?? '') : [values[at] ?? ''] } };
      });
      if (reports !== undefined) filter.push({ term: { [reports.field.path]: reporter ?? '' } });
      return { bool: { filter } };
    });
    return { bool: { should, minimum_should_match: 1 } };
  }

  #counted(bucket: Bucket): Total {
    const { sums } = this.#plan;
    const value = sums.reduce((sum, _, at) => sum + (bucket[`sum${at}`]?.value ?? 0), 0);
    return { value: sums.length === 0 ? bucket.doc_count : value, records: bucket.doc_count };
  }

  /** What there is of each aggregation, by its name, and of all that was looked at. */
  async #search<T extends Bucket>(
    aggs: Aggregations,
  ): Promise<{ readonly found: Readonly<Record<string, Buckets<T>>>; readonly all: Bucket }> {
    try {
      const ask = () => this.#searches.search({ ...this.#request, aggs }, this.#signal);
      const { aggregations, hits } = await onceStarted(ask, this.#signal);
      return {
        found: { ...(aggregations as Record<string, Buckets<T>>) },
        all: { ...(aggregations as object), doc_count: hits?.total?.value ?? 0 },
      };
    } catch (error) {
      if (error instanceof errors.ResponseError && JSON.stringify(error.body).includes(TOO_MANY_BUCKETS)) {
        throw this.#tooMany();
      }
      throw error;
    }
  }

  #tooMany(): UserError {
    return new UserError(
      `there are more than ${MOST_KEYS} to compare by ${this.#asked.by}: ask for less time, or only for some of the records`,
    );
  }
}

/** What there is of the values of a whole key. */
interface Valued {
  readonly values: readonly KeyValue[];
  readonly bucket: Bucket;
  /** Whether there are more than were given. */
  readonly isCut: boolean;
}

function* valuesIn(found: Buckets<ValueBucket> = { buckets: [] }, before?: Valued): Generator<Valued> {
  const isCut = (before?.isCut ?? false) || (found.sum_other_doc_count ?? 0) > 0;
  for (const bucket of found.buckets) {
    const valued = { values: [...(before?.values ?? []), bucket.key], bucket, isCut };
    if (bucket.next === undefined) yield valued;
    else yield* valuesIn(bucket.next, valued);
  }
}

function directionsOf(reports: AggregationPlan['reporter']): readonly Side[] {
  if (reports === undefined) return [{ name: undefined, reporter: undefined, query: { match_all: {} } }];
  const { field, directions } = reports;
  return (Object.keys(directions) as Direction[]).map((name) => {
    const reporter = directions[name];
    return { name, reporter, query: { term: { [field.path]: reporter } } };
  });
}

function larger(a: CountedGroup, b: CountedGroup): number {
  if (a.value !== b.value) return b.value - a.value;
  return JSON.stringify([a.members, a.direction]) < JSON.stringify([b.members, b.direction]) ? -1 : 1;
}
