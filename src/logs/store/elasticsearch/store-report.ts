import type { Client, estypes } from '@elastic/elasticsearch';
import type { LogTypeName } from '../../types/log-type.ts';
import { dayAfter } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { unavailable } from './bulk.ts';
import { OTHER_KIND } from './dead-letter.ts';
import { IndexNames } from './index-names.ts';
import { type Capacity, readCapacity } from './shard-limit.ts';

/** What Elasticsearch says of itself. */
export interface StoreFacts extends Capacity {
  readonly version: string;
}

/** Dead letters of one cluster and log type that were set aside for one kind of reason, with nothing of their lines. */
export interface LetterCount {
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly kind: string;
  readonly records: number;
}

export interface LetterCounts {
  readonly records: number;
  /** The largest first; not all of them where there are very many. */
  readonly counts: readonly LetterCount[];
}

/** What is told apart: clusters, log types of each, and kinds of each of these. */
const MOST = { cluster: 200, type: 10, kind: 10 } as const;

const DAY = 86_400_000;

/** How the store is. */
export class StoreReport {
  readonly #client: Client;
  readonly #names: IndexNames;

  constructor(client: Client, settings: CurrentSettings) {
    this.#client = client;
    this.#names = new IndexNames(settings);
  }

  /** @throws StoreUnavailable */
  async facts(signal: AbortSignal): Promise<StoreFacts> {
    return await this.#ask(signal, async () => {
      // Of the node that answers, and nothing else of it.
      const query = { node_id: '_local', metric: '_none', filter_path: 'nodes.*.version' };
      const { nodes } = await this.#client.nodes.info(query, { signal });
      const version = Object.values(nodes)[0]?.version ?? '';
      return { version, ...(await readCapacity(this.#client, signal)) };
    });
  }

  /** The dead letters of the last 24 hours. @throws StoreUnavailable */
  async deadLetters(now: number, signal: AbortSignal): Promise<LetterCounts> {
    const { hits, aggregations } = await this.#ask(
      signal,
      async () =>
        await this.#client.search<unknown, LetterAggregations>(
          {
            // Those of a day are in indices of that day: a year of others is not asked.
            index: [dayAfter(now, 0), dayAfter(now, -1)].map((day) => this.#names.deadLettersOf(day)),
            ignore_unavailable: true,
            size: 0,
            track_total_hits: true,
            query: { range: { '@timestamp': { gte: now - DAY, format: 'epoch_millis' } } },
            aggs: LETTERS,
          },
          { signal },
        ),
    );
    const counts = (aggregations?.clusters.buckets ?? []).flatMap(({ key: cluster, types }) =>
      types.buckets.flatMap(({ key: type, kinds }) =>
        kinds.buckets.map(({ key: kind, doc_count: records }) => ({ cluster, type, kind, records })),
      ),
    );
    const { total = 0 } = hits;
    return {
      records: typeof total === 'number' ? total : total.value,
      counts: counts.sort((a, b) => b.records - a.records),
    };
  }

  async #ask<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw signal.aborted ? error : unavailable(error);
    }
  }
}

const LETTERS: Record<string, estypes.AggregationsAggregationContainer> = {
  clusters: {
    terms: { field: 'cluster', size: MOST.cluster },
    aggs: {
      types: {
        terms: { field: 'log_type', size: MOST.type },
        // Those that an older version has set aside say no kind.
        aggs: { kinds: { terms: { field: 'kind', size: MOST.kind, missing: OTHER_KIND } } },
      },
    },
  },
};

interface LetterAggregations {
  readonly clusters: {
    readonly buckets: readonly {
      readonly key: string;
      readonly types: {
        readonly buckets: readonly {
          readonly key: LogTypeName;
          readonly kinds: { readonly buckets: readonly { readonly key: string; readonly doc_count: number }[] };
        }[];
      };
    }[];
  };
}
