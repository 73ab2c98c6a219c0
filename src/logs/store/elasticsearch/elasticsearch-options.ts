/** Milliseconds after which a request to Elasticsearch has failed. */
export const REQUEST_TIMEOUT = 30_000;

export interface ElasticsearchOptions {
  /** `http(s)://HOST:PORT`, without a user. */
  readonly url: string;
  /** Other nodes of the same Elasticsearch, for when one is away. */
  readonly otherUrls?: readonly string[];
  /** As whom; nobody where it is left out. */
  readonly auth?: { readonly username: string; readonly password: string } | { readonly apiKey: string };
  readonly tls?: TlsOptions;
  /** How many records one query may have to look through; 0 for any number. */
  readonly mostScanned?: number;
}

/** All PEM. */
export interface TlsOptions {
  /** Of the CA to trust instead of those that the system does. */
  readonly ca?: string;
  /** What we show of ourselves. */
  readonly cert?: string;
  readonly key?: string;
}
