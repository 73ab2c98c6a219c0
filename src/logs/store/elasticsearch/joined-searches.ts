import { type Client, errors, type estypes } from '@elastic/elasticsearch';
import { MAX_ANSWER_BYTES } from '../../query/log-query.ts';
import type { SearchAnswer } from './search-answer.ts';

/** What Elasticsearch may answer at once; a longer page is asked for again in smaller ones. */
const MAX_PAGE_BYTES = 2 * MAX_ANSWER_BYTES;

interface Waiting {
  readonly request: estypes.SearchRequest;
  readonly signal: AbortSignal;
  readonly resolve: (answer: SearchAnswer) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Searches that belong together: those that are asked for in the same moment are one request, which is what most of a short
 * one costs. Where one of them is given up, the others are asked for anew.
 */
export class JoinedSearches {
  readonly #client: Client;
  #waiting: Waiting[] = [];

  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * @throws errors.ElasticsearchClientError, of which RequestAbortedError says that the answer was too long; the reason of
   * the signal where it has aborted
   */
  async search(request: estypes.SearchRequest, signal: AbortSignal): Promise<SearchAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<SearchAnswer>();
    if (this.#waiting.push({ request, signal, resolve, reject }) === 1) setImmediate(() => this.#send());
    return await promise;
  }

  async #send(): Promise<void> {
    const searches = this.#waiting;
    this.#waiting = [];
    const signal = AbortSignal.any(searches.map((search) => search.signal));
    try {
      const answers = await this.#ask(searches, signal);
      for (const [at, { resolve, reject }] of searches.entries()) {
        const answer = answers[at];
        if (answer instanceof Error) reject(answer);
        else resolve(answer ?? {});
      }
    } catch (error) {
      for (const { request, signal: own, resolve, reject } of searches) {
        if (own.aborted) reject(own.reason);
        else if (signal.aborted) this.search(request, own).then(resolve, reject);
        else reject(error);
      }
    }
  }

  async #ask(searches: readonly Waiting[], signal: AbortSignal): Promise<readonly (SearchAnswer | Error)[]> {
    const options = { signal, maxResponseSize: MAX_PAGE_BYTES };
    const [{ request } = { request: {} }, ...others] = searches;
    if (others.length === 0) return [(await this.#client.search(request, options)) as unknown as SearchAnswer];
    const parts = searches.flatMap((search) => partsOf(search.request));
    const result = await this.#client.msearch({ searches: parts }, { ...options, meta: true });
    const { responses = [] } = result.body as unknown as SearchAnswer;
    return responses.map((answer) => {
      if (answer.error === undefined) return answer;
      return new errors.ResponseError({ ...result, body: answer, statusCode: answer.status ?? 0 });
    });
  }
}

/** Where to look, and for what: a line each. */
function partsOf({
  index,
  routing,
  preference,
  ignore_unavailable,
  allow_partial_search_results,
  ...body
}: estypes.SearchRequest): estypes.MsearchRequestItem[] {
  const where = { index, routing, preference, ignore_unavailable, allow_partial_search_results };
  const given = Object.entries(where).filter(([, value]) => value !== undefined);
  return [Object.fromEntries(given) as estypes.MsearchMultisearchHeader, body as estypes.MsearchMultisearchBody];
}
