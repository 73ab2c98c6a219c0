import { Client, Serializer } from '@elastic/elasticsearch';
import { createdAnswer } from './bulk-verdict.ts';
import { type ElasticsearchOptions, REQUEST_TIMEOUT } from './elasticsearch-options.ts';
import { RepeatingConnection } from './repeating-connection.ts';
import { readSearchAnswer } from './search-answer.ts';

/** Elasticsearch's client as we need it: what searches answer are SearchAnswers. As nobody where there is no `auth`. */
export function newClient({ url, otherUrls = [], tls, auth }: ElasticsearchOptions): Client {
  return new Client({
    nodes: [url, ...otherUrls],
    ...(auth === undefined ? {} : { auth }),
    ...(tls === undefined ? {} : { tls }),
    Connection: RepeatingConnection,
    // Each other node once: the documents are known by their ids.
    maxRetries: otherUrls.length,
    requestTimeout: REQUEST_TIMEOUT,
    Serializer: AnswerReader,
    // Nothing of who we are in errors. The usual way to that looks through all of a request, byte by byte: for each _bulk
    // that is not answered, most of a second and a hundred MiB.
    redaction: { type: 'remove' },
  });
}

/** Reads the answer that nearly every _bulk has, and the documents that a search finds, without parsing them. */
class AnswerReader extends Serializer {
  override deserialize<T>(json: string): T {
    return ((createdAnswer(json) ?? readSearchAnswer(json)) as T | undefined) ?? super.deserialize(json);
  }
}
