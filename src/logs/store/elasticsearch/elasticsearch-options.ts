/** Milliseconds after which a request to Elasticsearch has failed. */
export const REQUEST_TIMEOUT = 30_000;

export interface ElasticsearchOptions {
  /** `http(s)://HOST:PORT`, without a user. */
  readonly url: string;
  /** As whom; nobody where it is left out. */
  readonly auth?: { readonly username: string; readonly password: string } | { readonly apiKey: string };
}
