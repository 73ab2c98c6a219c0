import { type Client, errors } from '@elastic/elasticsearch';

/** Matches the role in deploy/, and is no day's. */
const NOWHERE = 'kubectl_mcm_dead_letters.nowhere';

/**
 * Has Elasticsearch refuse something, by itself, before it is written to.
 *
 * Elasticsearch 9.5.3 that has just started hangs for good where its first two refusals meet: one write thread makes the
 * first version conflict (and initializes EngineException, which needs ElasticsearchException), another one the first
 * document that cannot be parsed (and initializes these the other way round). A restart is when that is likely: what was
 * sent and not answered is sent again. Once anything has been refused, nothing is left to wait for.
 */
export async function provokeFirstRefusal(client: Client): Promise<void> {
  try {
    await client.indices.exists({ index: NOWHERE });
  } catch (error) {
    // Not being allowed to ask is a refusal as well.
    if (!(error instanceof errors.ResponseError)) throw error;
  }
}
