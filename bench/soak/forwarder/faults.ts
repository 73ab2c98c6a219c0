import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../fixtures/random.ts';
import type { Answer, Fault } from './fault-proxy.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

/** Its client takes no answer without this for Elasticsearch's. */
const ELASTICSEARCH = { 'x-elastic-product': 'Elasticsearch' };

/** What the server before which a proxy stands puts into every answer. */
type Headers = Readonly<Record<string, string>>;

/** What can go wrong with any request over HTTP. */
export function httpFaults(statuses: readonly number[], headers: Headers, body: (status: number) => object) {
  const refusal = (status: number, random: Random): Answer => {
    const wait = status === 429 || status === 503 ? { 'retry-after': String(random.between(0, 1)) } : {};
    return { status, headers: { ...JSON_TYPE, ...headers, ...wait }, body: Buffer.from(JSON.stringify(body(status))) };
  };
  const withheld = statuses.map((status): [string, Fault] => [
    `${status} to the whole request`,
    async (exchange, random) => exchange.answer(refusal(status, random)),
  ]);
  return {
    ...Object.fromEntries(withheld),
    'request cut in the middle': async (exchange) => {
      await exchange.passHalf();
      exchange.cut();
    },
    'answer lost': async (exchange) => {
      await exchange.pass();
      exchange.cut();
    },
    'answer cut in the middle': async (exchange) => exchange.answerHalf(await exchange.pass()),
    'half an answer': async (exchange) => {
      const answer = await exchange.pass();
      exchange.answer({ ...answer, body: answer.body.subarray(0, Math.floor(answer.body.length / 2)) });
    },
    'empty answer': async (exchange) => exchange.answer({ ...(await exchange.pass()), body: Buffer.alloc(0) }),
    '503 in place of the answer': async (exchange, random) => {
      await exchange.pass();
      exchange.answer(refusal(503, random));
    },
    'late answer': async (exchange, random) => {
      const answer = await exchange.pass();
      await sleep(random.between(200, 1_500));
      exchange.answer(answer);
    },
    'no answer': async (exchange) => {
      await exchange.pass();
      await exchange.stall();
    },
  } satisfies Record<string, Fault>;
}

/** What can go wrong between a forwarder and its manager. */
export const MANAGER_FAULTS: Readonly<Record<string, Fault>> = {
  ...httpFaults([400, 403, 404, 408, 413, 429, 500, 502, 503, 504], {}, () => ({ error: 'a fault on the way' })),
  'one record too few': miscounted(-1),
  'one record too many': miscounted(1),
};

/** The manager's answer, with another number of records than it has stored. */
function miscounted(by: number): Fault {
  return async (exchange) => {
    const answer = await exchange.pass();
    const counts = JSON.parse(answer.body.toString()) as { readonly accepted?: number };
    const body = counts.accepted === undefined ? answer.body : text({ ...counts, accepted: counts.accepted + by });
    exchange.answer({ ...answer, body });
  };
}

interface Item {
  readonly create?: { readonly status?: number; readonly error?: { readonly type?: string; readonly reason?: string } };
}

interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly Item[];
}

/** What can go wrong between whoever writes records and Elasticsearch. */
export const BULK_FAULTS: Readonly<Record<string, Fault>> = {
  ...httpFaults([401, 403, 404, 429, 500, 502, 503, 504], ELASTICSEARCH, (status) => ({
    error: { type: 'a_fault_exception', reason: 'a fault on the way' },
    status,
  })),
  ...Object.fromEntries(
    [
      [429, 'es_rejected_execution_exception'],
      [503, 'unavailable_shards_exception'],
      [500, 'exception'],
      [404, 'index_not_found_exception'],
      [403, 'cluster_block_exception'],
      [400, 'illegal_argument_exception'],
      [400, 'validation_exception'],
      [400, 'a_type_of_tomorrow'],
    ].map(([status, type]) => [`${status} ${type} to some items`, someWithheld(Number(status), String(type))]),
  ),
  'one item too few': async (exchange) => exchange.answer(withItems(await exchange.pass(), (items) => items.slice(1))),
  'one item too many': async (exchange) =>
    exchange.answer(withItems(await exchange.pass(), (items) => [...items, ...items.slice(-1)])),
  'items without a word': async (exchange) =>
    exchange.answer(withItems(await exchange.pass(), (items) => items.map((item, at) => (at % 3 === 0 ? {} : item)))),
  '429 to items that are stored': async (exchange) => {
    const rejected = { create: { status: 429, error: { type: 'es_rejected_execution_exception', reason: 'full' } } };
    const answer = await exchange.pass();
    // One that is refused stays so: of what is stored alone it is said that it is not.
    const isStored = ({ create }: Item) => create?.error === undefined;
    exchange.answer(withItems(answer, (items) => items.map((item) => (isStored(item) ? rejected : item))));
  },
};

/** What is answered when nothing was left to be passed on. */
const NONE_PASSED: Answer = {
  status: 200,
  headers: { ...JSON_TYPE, ...ELASTICSEARCH },
  body: text({ items: [] }),
};

/** Passes on all but some of the items, and says of those that they are not stored. */
function someWithheld(status: number, type: string): Fault {
  return async (exchange, random) => {
    const items = itemsOf(exchange.body);
    const sure = random.between(0, items.length - 1);
    const isWithheld = items.map((_, at) => at === sure || random.chance(0.3));
    const passed = items.filter((_, at) => !isWithheld[at]);
    const answer = passed.length === 0 ? NONE_PASSED : await exchange.pass(Buffer.concat(passed));
    const withheld: Item = { create: { status, error: { type, reason: 'a fault on the way' } } };
    exchange.answer(
      withItems(answer, (real) => {
        const rest = real.values();
        return isWithheld.map((isOut) => (isOut ? withheld : (rest.next().value ?? {})));
      }),
    );
  };
}

/** Of a `_bulk` body, each item's two lines. */
function itemsOf(body: Buffer): readonly Buffer[] {
  const items: Buffer[] = [];
  for (let start = 0; start < body.length; ) {
    const end = body.indexOf('\n', body.indexOf('\n', start) + 1) + 1;
    items.push(body.subarray(start, end));
    start = end;
  }
  return items;
}

function withItems(answer: Answer, change: (items: readonly Item[]) => readonly Item[]): Answer {
  if (answer.status !== 200) return answer;
  const items = change((JSON.parse(answer.body.toString()) as BulkAnswer).items ?? []);
  return { ...answer, body: text({ errors: items.some(({ create }) => create?.error !== undefined), items }) };
}

const REFUSALS = ['document_parsing_exception', 'mapper_parsing_exception', 'strict_dynamic_mapping_exception'];

/** Elasticsearch's versions and mappings have different names for a document that cannot be indexed. */
export function otherRefusals(answer: Answer, random: Random): Answer {
  if (!answer.body.includes('document_parsing_exception')) return answer;
  return withItems(answer, (items) =>
    items.map((item) =>
      item.create?.error?.type === 'document_parsing_exception'
        ? { create: { ...item.create, error: { ...item.create.error, type: random.pick(REFUSALS) } } }
        : item,
    ),
  );
}

function text(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
