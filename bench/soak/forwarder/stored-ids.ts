import type { ElasticsearchClient } from '../../../testbed/elasticsearch/elasticsearch.ts';

const PAGE = 10_000;

interface Page {
  readonly hits: { readonly hits: readonly { readonly _id: string; readonly sort: readonly unknown[] }[] };
}

/** The id of every document in the indices of a pattern that matches, as of one moment. */
export async function storedIds(elasticsearch: ElasticsearchClient, pattern: string, query: object): Promise<string[]> {
  await elasticsearch.request('POST', `/${pattern}/_refresh`);
  const { id } = (await elasticsearch.request('POST', `/${pattern}/_pit?keep_alive=1m`)) as { id: string };
  const ids: string[] = [];
  for (let after: readonly unknown[] | undefined; ; ) {
    const body = { size: PAGE, _source: false, query, pit: { id }, sort: ['_shard_doc'] };
    const search = after === undefined ? body : { ...body, search_after: after };
    const { hits } = ((await elasticsearch.request('POST', '/_search', search)) as Page).hits;
    for (const { _id } of hits) ids.push(_id);
    after = hits.at(-1)?.sort;
    if (after === undefined) return ids;
  }
}
