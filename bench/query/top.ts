import { deepStrictEqual } from 'node:assert';
import type { LogTop } from '../../src/logs/query/log-top.ts';
import { LOG_ACCESS_API } from '../../src/rbac/log-access.ts';
import { inTurns, type Pair } from './in-turns.ts';
import type { QueryBench } from './query-bench.ts';
import { CLUSTER } from './stored-flows.ts';

/** Groups that are asked for. */
const LIMIT = 10;
const ROUNDS = 41;

const DAY = 86_400_000;

/** The report of a flow that counts where both ends report. */
const ONCE = {
  bool: {
    should: [
      { bool: { filter: [{ term: { source_type: 'wep' } }, { term: { reporter: 'src' } }] } },
      { bool: { filter: [{ term: { reporter: 'dst' } }], must_not: [{ term: { source_type: 'wep' } }] } },
    ],
  },
};

const FLOWS = { value: { sum: { field: 'num_flows_started' } } };

/** What is asked for in our words, and the two fields by which Elasticsearch is asked for it. */
const QUESTIONS = [
  { name: 'ports, today', by: 'port', days: 1, outer: 'proto', inner: 'dest_port' },
  { name: 'ports, all days', by: 'port', days: 5, outer: 'proto', inner: 'dest_port' },
  {
    name: 'services, all days',
    ...{ by: 'service', days: 5, outer: 'dest_service_namespace', inner: 'dest_service_name' },
  },
] as const;

interface Bucket {
  readonly key: string | number;
  readonly value: { readonly value: number };
}

interface Answer {
  readonly aggregations: { readonly outer: { readonly buckets: readonly { readonly inner: { buckets: Bucket[] } }[] } };
}

/** Milliseconds that the largest groups of each question take, added up, where Elasticsearch looks at every record. */
export async function top(bench: QueryBench, tell: (text: string) => void) {
  // Of a day that is in the range as a whole it would only tell what it said before, until the next record comes.
  return await topInTurns(bench, { before: () => bench.forgetAnswers() }, tell);
}

/** The same, where it need only look at the day that is there in part: what is on the way makes most of it then. */
export async function topAgain(bench: QueryBench, tell: (text: string) => void) {
  return await topInTurns(bench, {}, tell);
}

async function topInTurns(bench: QueryBench, options: Pick<Pair, 'before'>, tell: (text: string) => void) {
  const { client, now } = bench;
  const pairs = QUESTIONS.map(({ name, by, days, outer, inner }) => {
    const since = now - days * DAY;
    const asked = { type: 'flows', by, metric: 'flows', limit: LIMIT };
    const terms = { size: 1_000, order: { value: 'desc' } };
    const within = { inner: { terms: { field: inner, ...terms }, aggs: FLOWS } };
    const body = (from: number) => ({
      size: 0,
      track_total_hits: false,
      query: { bool: { filter: [{ range: { '@timestamp': { gte: from } } }, ONCE] } },
      aggs: { outer: { terms: { field: outer, ...terms }, aggs: { ...FLOWS, ...within } } },
    });
    return {
      ...options,
      name,
      ours: async (later: number) => {
        const query = { ...asked, since: new Date(since + later).toISOString() };
        const { items } = await client.get<LogTop>(`/apis/${LOG_ACCESS_API}/${CLUSTER}/flows`, { query });
        return items.map(({ value }) => value);
      },
      theirs: async (later: number) => {
        const { buckets } = (await bench.raw<Answer>(body(since + later))).aggregations.outer;
        // Calico's "-" says that there is none.
        const groups = buckets.flatMap((bucket) => bucket.inner.buckets.filter(({ key }) => key !== '-'));
        return groups
          .map(({ value }) => value.value)
          .toSorted((a, b) => b - a)
          .slice(0, LIMIT);
      },
    };
  });
  for (const { name, ours, theirs } of pairs) deepStrictEqual(await ours(0), await theirs(0), name);
  return await inTurns(pairs, ROUNDS, tell);
}
