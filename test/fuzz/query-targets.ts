import assert from 'node:assert/strict';
import type { Random } from '../../fixtures/random.ts';
import { LONGEST_QUERY, parseFilter } from '../../src/logs/query/parse-filter.ts';
import { printFilter } from '../../src/logs/query/print-filter.ts';
import { QueryError } from '../../src/logs/query/query-error.ts';
import { Fields } from '../../src/logs/types/field.ts';
import { LOG_TYPES } from '../../src/logs/types/index.ts';
import { RandomFilters } from '../random-filter.ts';
import { mutatedText } from './mutation.ts';
import type { FuzzTarget } from './target.ts';

const FIELDS = LOG_TYPES.map((type) => new Fields([type]));

/** A filter is the same after it was written and read again. */
function printed(random: Random): void {
  const fields = random.pick(FIELDS);
  const filter = new RandomFilters(random, fields).filter();
  const text = printFilter(filter);
  if (Buffer.byteLength(text) > LONGEST_QUERY) return;
  assert.deepEqual(parseFilter(text, fields, 'some logs'), filter, text);
}

/** Whatever is written is either refused with its place, or means the same when it is written anew. */
function read(random: Random): void {
  const fields = random.pick(FIELDS);
  const text = mutatedText(printFilter(new RandomFilters(random, fields).filter(2)), random);
  try {
    const filter = parseFilter(text, fields, 'some logs');
    if (filter === undefined) assert.match(text, /^\s*$/u);
    else assert.deepEqual(parseFilter(printFilter(filter), fields, 'some logs'), filter, text);
  } catch (error) {
    assert.ok(error instanceof QueryError, `${text}: ${error}`);
    const [, shown = '', carets = ''] = error.message.slice(error.reason.length).split('\n');
    assert.match(carets, /^ +\^+$/);
    assert.ok(carets.length <= shown.length + 1, error.message);
    assert.doesNotMatch(error.message.replaceAll('\n', ''), /\p{Cc}/u);
  }
}

export const QUERY_TARGETS: readonly FuzzTarget[] = [
  { name: 'filters, written and read', rounds: 3_000, round: printed },
  { name: 'queries', rounds: 5_000, round: read },
];
