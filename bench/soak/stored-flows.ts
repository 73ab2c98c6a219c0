import type { ElasticsearchClient } from '../../testbed/elasticsearch/elasticsearch.ts';

const PAGE = 10_000;

/** What of a fleet's flows is in Elasticsearch. Each flow that the fleet makes has a name of its own. */
export interface StoredFlows {
  readonly documents: number;
  readonly different: number;
  readonly deadLetters: number;
}

interface Page {
  readonly aggregations: {
    readonly names: {
      readonly after_key?: object;
      readonly buckets: readonly { readonly doc_count: number }[];
    };
  };
}

export async function storedFlows(elasticsearch: ElasticsearchClient, prefix: string): Promise<StoredFlows> {
  const indices = `tigera_secure_ee_flows.${prefix}-*`;
  const documents = await elasticsearch.count(indices);
  let different = 0;
  for (let after: object | undefined; ; ) {
    const sources = [{ name: { terms: { field: 'source_name_aggr' } } }];
    const composite = { size: PAGE, sources, ...(after === undefined ? {} : { after }) };
    const body = { size: 0, aggs: { names: { composite } } };
    const { aggregations } = (await elasticsearch.request('POST', `/${indices}/_search`, body)) as Page;
    different += aggregations.names.buckets.length;
    after = aggregations.names.after_key;
    if (after === undefined) break;
  }
  return { documents, different, deadLetters: await elasticsearch.count(`kubectl_mcm_dead_letters.${prefix}-*`) };
}
