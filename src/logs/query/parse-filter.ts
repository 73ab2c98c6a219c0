import { suggestions } from '../../suggestions.ts';
import type { Field, Fields } from '../types/field.ts';
import { equalValue, rangeValue, setValue, ValueError } from './field-value.ts';
import { allOf, anyOf, type Filter, match, not, RANGE_OPERATORS, type RangeOperator } from './filter.ts';
import { QueryError } from './query-error.ts';
import { readTokens, type Token } from './query-tokens.ts';

/** Bytes of a query, which stands in a URL: encoded they stay within what proxies let pass. */
export const LONGEST_QUERY = 4096;

/** How deep parentheses and NOT may be nested; Elasticsearch takes 30 levels, some of which are ours. */
export const DEEPEST_QUERY = 20;

/** Patterns in one query: each is looked for among all the terms of a field. */
export const MOST_PATTERNS = 100;

/**
 * Reads the query language of Calico's GlobalAlerts: comparisons (`dest_port = 443`, `!=`, `<`, `<=`, `>`, `>=`), sets
 * (`source_name_aggr IN {"web-*", "api-*"}`, NOTIN) with `*` and `?`, AND, OR, NOT and parentheses. NOT binds closest, OR
 * loosest. Beyond Calico's, fields and values need quotes only where they hold spaces or punctuation, `=` takes networks
 * (`source_ip = "10.0.0.0/8"`), and `IN {"*"}` is any value at all.
 *
 * `what` is whose fields these are, for people: `flow logs`. undefined where the text is blank. @throws QueryError
 */
export function parseFilter(text: string, fields: Fields, what: string): Filter | undefined {
  const length = Buffer.byteLength(text);
  if (length > LONGEST_QUERY) {
    throw new QueryError(
      `${length} bytes are too long for a query: ${LONGEST_QUERY} are the most`,
      text,
      LONGEST_QUERY,
    );
  }
  return new Parser(text, fields, what).read();
}

class Parser {
  readonly #text: string;
  readonly #fields: Fields;
  readonly #what: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  #patterns = 0;

  constructor(text: string, fields: Fields, what: string) {
    this.#text = text;
    this.#fields = fields;
    this.#what = what;
    this.#tokens = readTokens(text);
  }

  read(): Filter | undefined {
    if (this.#peek().kind === 'end') return undefined;
    const filter = this.#any();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw this.#unexpected(rest, 'AND, OR or the end');
    return filter;
  }

  #any(): Filter {
    const filters = [this.#all()];
    while (this.#takeKeyword('OR')) filters.push(this.#all());
    return anyOf(filters);
  }

  #all(): Filter {
    const filters = [this.#one()];
    while (this.#takeKeyword('AND')) filters.push(this.#one());
    // There is one at least.
    return allOf(filters) as Filter;
  }

  #one(): Filter {
    const start = this.#peek();
    if (this.#depth >= DEEPEST_QUERY) {
      throw this.#error(`nested too deep: ${DEEPEST_QUERY} levels are the most`, start);
    }
    this.#depth++;
    try {
      if (this.#takeKeyword('NOT')) return not(this.#one());
      if (!this.#takePunctuation('(')) return this.#selector();
      const inner = this.#any();
      if (!this.#takePunctuation(')')) throw this.#unexpected(this.#peek(), 'AND, OR or )');
      return inner;
    } finally {
      this.#depth--;
    }
  }

  #selector(): Filter {
    const key = this.#peek();
    const isKeyword = ['AND', 'OR', 'IN', 'NOTIN'].some((word) => isWord(key, word));
    if ((key.kind !== 'word' && key.kind !== 'string') || isKeyword) {
      throw this.#unexpected(key, 'a field, NOT or (');
    }
    this.#next++;
    const field = this.#field(key);
    const comparison = this.#peek();
    if (comparison.kind === 'comparison') {
      this.#next++;
      return this.#compared(field, comparison.value);
    }
    if (this.#takeKeyword('IN')) return this.#set(field);
    if (this.#takeKeyword('NOTIN')) return not(this.#set(field));
    throw this.#unexpected(comparison, '=, !=, <, <=, >, >=, IN or NOTIN');
  }

  #compared(field: Field, operator: string): Filter {
    const token = this.#value('a value');
    return this.#judge(token, (): Filter => {
      const range = RANGE_OPERATORS.find((one): one is RangeOperator => one === operator);
      if (range !== undefined) return { kind: 'range', field, operator: range, value: rangeValue(field, token.value) };
      const equal = match(field, [equalValue(field, token.value)]);
      return operator === '=' ? equal : not(equal);
    });
  }

  #set(field: Field): Filter {
    if (!this.#takePunctuation('{')) throw this.#unexpected(this.#peek(), '{ and a list of values');
    const values = [];
    do {
      const token = this.#value('a value');
      const value = this.#judge(token, () => setValue(field, token.value));
      if (value.kind === 'wildcard' && ++this.#patterns > MOST_PATTERNS) {
        throw this.#error(`too many patterns with wildcards: ${MOST_PATTERNS} are the most`, token);
      }
      values.push(value);
    } while (this.#takePunctuation(','));
    if (!this.#takePunctuation('}')) throw this.#unexpected(this.#peek(), ', or }');
    return match(field, values);
  }

  #field(key: Token): Field {
    const field = this.#fields.find(key.value);
    if (field !== undefined) return field;
    if (this.#fields.isUnsearchable(key.value)) {
      throw this.#error(`${key.value} of ${this.#what} is stored as it came and cannot be searched`, key);
    }
    const meant = nearest(key.value, this.#fields.names).map((name) => `"${name}"`);
    const hint = meant.length === 0 ? '' : `; did you mean ${meant.join(' or ')}?`;
    throw this.#error(`unknown field "${key.value}" of ${this.#what}${hint}`, key);
  }

  #value(what: string): Token {
    const token = this.#peek();
    if (token.kind !== 'word' && token.kind !== 'string') throw this.#unexpected(token, what);
    this.#next++;
    return token;
  }

  /** Reads a value, and says where it stands if it is none. */
  #judge<T>(token: Token, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw error instanceof ValueError ? this.#error(error.message, token) : error;
    }
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #takeKeyword(word: string): boolean {
    if (!isWord(this.#peek(), word)) return false;
    this.#next++;
    return true;
  }

  #takePunctuation(character: string): boolean {
    const { kind, value } = this.#peek();
    if (kind !== 'punctuation' || value !== character) return false;
    this.#next++;
    return true;
  }

  #unexpected(token: Token, expected: string): QueryError {
    const found =
      token.kind === 'end' ? 'the query ends' : `unexpected ${this.#text.slice(token.at, token.at + token.length)}`;
    return this.#error(`${found} where ${expected} is expected`, token);
  }

  #error(reason: string, { at, length }: Token): QueryError {
    return new QueryError(reason, this.#text, at, length);
  }
}

/** Names that the word is a part of (`source_port` and `dest_port` for `port`), else the one that it nearly is. */
function nearest(word: string, names: readonly string[]): readonly string[] {
  const whole = names.filter((name) => name.split(/[._]/).includes(word) || name.endsWith(`_${word}`));
  return whole.length > 0 ? whole.slice(0, 3) : suggestions(word, names).slice(0, 1);
}

/** Keywords in either case: Calico's documentation has both. */
function isWord({ kind, value }: Token, word: string): boolean {
  return kind === 'word' && value.toUpperCase() === word;
}
