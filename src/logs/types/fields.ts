/** Mappings of fields that several log types have. */

export const keyword = { type: 'keyword' };
export const long = { type: 'long' };
export const ip = { type: 'ip' };

/**
 * A record's own times. Units other than seconds, and forms of RFC 3339 that Elasticsearch does not read, are told apart
 * for @timestamp only; the field itself is then kept and not indexed.
 */
export const date = { type: 'date', format: 'strict_date_optional_time||epoch_second', ignore_malformed: true };

/** How deep Elasticsearch reads documents; for one that is deeper it has an error of the document's own. */
export const MAX_DEPTH = 1000;

/** Stored as it comes, never indexed: it has any number of keys, or another form in each version. */
export const asIs = { type: 'object', enabled: false };
