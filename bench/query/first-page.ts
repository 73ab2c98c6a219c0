import { deepStrictEqual, equal } from 'node:assert';
import { LOG_ACCESS_API } from '../../src/rbac/log-access.ts';
import { inTurns } from './in-turns.ts';
import type { QueryBench } from './query-bench.ts';
import { CLUSTER } from './stored-flows.ts';

/** Records of a page: what `kubectl mcm logs` asks for on a terminal. */
const PAGE = 100;
const ROUNDS = 41;

const MINUTE = 60_000;
const DAY = 86_400_000;

/** What is asked for, in our query language and in Elasticsearch's. */
interface Question {
  readonly name: string;
  /** Milliseconds back from now. */
  readonly since: number;
  readonly query?: string;
  readonly filter: readonly object[];
  /** Records; a whole page where it does not say. */
  readonly finds?: number;
}

const QUESTIONS: readonly Question[] = [
  { name: 'the newest of 15 minutes', since: 15 * MINUTE, filter: [] },
  {
    name: 'what was denied in a namespace today',
    since: DAY,
    query: 'action = "deny" AND dest_namespace = "payments"',
    filter: [{ term: { action: 'deny' } }, { term: { dest_namespace: 'payments' } }],
  },
  {
    name: 'pods by the beginning of their names, all days',
    since: 5 * DAY,
    query: 'dest_name_aggr IN {"gateway-*"}',
    filter: [{ wildcard: { dest_name_aggr: 'gateway-*' } }],
  },
  {
    name: 'what met a policy, all days',
    since: 5 * DAY,
    query: '"policies.all_policies" IN {"*|payments/default.gateway-ingress|deny|*"}',
    filter: [{ wildcard: { 'policies.all_policies': '*|payments/default.gateway-ingress|deny|*' } }],
  },
  {
    name: 'large flows to outside addresses, all days',
    since: 5 * DAY,
    query: 'num_flows >= 5 AND dest_ip = "198.51.100.0/24"',
    filter: [{ range: { num_flows: { gte: 5 } } }, { term: { dest_ip: '198.51.100.0/24' } }],
  },
  {
    name: 'what was denied by SSH, all days: nothing',
    since: 5 * DAY,
    query: 'action = "deny" AND dest_port = 22',
    filter: [{ term: { action: 'deny' } }, { term: { dest_port: 22 } }],
    finds: 0,
  },
];

interface LogList {
  readonly items: readonly { readonly '@timestamp': number }[];
}

interface Hits {
  readonly hits: { readonly hits: readonly { readonly _source: { readonly '@timestamp': number } }[] };
}

/** Milliseconds that the newest page of each question takes, added up. */
export async function firstPage(bench: QueryBench, tell: (text: string) => void) {
  const { client, now } = bench;
  const pairs = QUESTIONS.map(({ name, since, query: text, filter, finds = PAGE }) => {
    const asked = { type: 'flows', limit: PAGE, order: 'desc', query: text };
    const body = (from: number) => ({
      size: PAGE,
      sort: [{ '@timestamp': 'desc' }],
      track_total_hits: false,
      query: { bool: { filter: [{ range: { '@timestamp': { gte: from } } }, ...filter] } },
    });
    return {
      name,
      finds,
      ours: async (later: number) => {
        const query = { ...asked, since: new Date(now - since + later).toISOString() };
        const { items } = await client.get<LogList>(`/apis/${LOG_ACCESS_API}/${CLUSTER}/flows`, { query });
        return items.map((item) => item['@timestamp']);
      },
      theirs: async (later: number) => {
        const { hits } = (await bench.raw<Hits>(body(now - since + later))).hits;
        return hits.map(({ _source }) => _source['@timestamp']);
      },
    };
  });
  for (const { name, finds, ours, theirs } of pairs) {
    const found = await theirs(0);
    equal(found.length, finds, name);
    deepStrictEqual(await ours(0), found, name);
  }
  return await inTurns(pairs, ROUNDS, tell);
}
