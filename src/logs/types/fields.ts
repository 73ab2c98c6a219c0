/** Mappings of fields that several log types have. */

export const keyword = { type: 'keyword' };
/** Keywords of which there are few, however many records have them: looking at each for a pattern costs next to nothing. */
export const fewKeywords = { ...keyword };
/** A count or a size. One that is no number makes the record a dead letter: sums would be wrong without a word. */
export const long = { type: 'long' };
/** Words of people, to be searched for one by one. */
export const text = { type: 'text' };

/** An address. Where none applies, Calico writes null, "-" or nothing: all are stored, and none is indexed. */
export const ip = { type: 'ip', ignore_malformed: true };
/** A port, with the same ways to say that there is none. */
export const port = { type: 'long', ignore_malformed: true };

/**
 * A record's own times. Elasticsearch would take a number of milliseconds for one of seconds, 50,000 years ahead: what
 * is in another form than these is written anew before it gets there, see DocumentReader.
 */
export const date = { type: 'date', format: 'strict_date_optional_time||epoch_second', ignore_malformed: true };

/** How deep Elasticsearch reads documents; for one that is deeper it has an error of the document's own. */
export const MAX_DEPTH = 1000;

/**
 * The same for types whose mapping has no subobjects: there Elasticsearch writes out the path of every field, known or
 * not, and a record of 900 levels with long names takes it longer than we wait, and would be sent again for ever.
 */
export const MAX_FLAT_DEPTH = 20;

/** Stored as it comes, never indexed: it has any number of keys, or another form in each version. */
export const asIs = { type: 'object', enabled: false };

/**
 * Labels that come as a list of `key=value` or as an object: no mapping indexes both, so they are stored as they come, and
 * looked for in the records themselves.
 */
export const storedLabels = { ...asIs };

/** How long records are kept of which Calico's documentation does not say it: as long as flows. */
export const USUAL_RETENTION_DAYS = 8;
