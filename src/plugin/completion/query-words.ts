import { quoted, readTokens, type Token } from '../../logs/query/query-tokens.ts';
import { ABILITIES, type Field, Fields } from '../../logs/types/field.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import { typesOf } from '../logs/asked-logs.ts';
import { FILTER_FLAGS } from '../logs/filter-flags.ts';
import type { Candidate } from './candidate.ts';
import { completesOf } from './completes-of.ts';

/** The word at the end of a query, outside of quotes. */
const LAST_WORD = /[^\s"(){},=<>!]*$/;

/**
 * How a query may go on: each value is the query so far with a word more. `words` are the types that it is asked of;
 * `logged` says what their records have in a field.
 */
export async function queryWords(
  text: string,
  words = 'flow',
  logged: (field: string) => Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  const types = typesOf(words);
  const typed = LAST_WORD.exec(text)?.[0] ?? '';
  const before = text.slice(0, text.length - typed.length);
  const tokens = readTokens(before).slice(0, -1);
  const next = await new NextWord(types, tokens, logged).candidates();
  const fitting = next.filter(({ value }) => value.startsWith(typed));
  const [only] = fitting;
  const field = fitting.length === 1 && only !== undefined ? Fields.of(types).find(only.value) : undefined;
  // A name alone would end the quotes that the shell has open.
  const shown =
    field === undefined ? fitting : operatorsOf(field).map((value) => ({ value: `${field.name} ${value}` }));
  const space = before === '' || /[\s("{,]$/.test(before) ? '' : ' ';
  return shown.map((candidate) => ({ ...candidate, value: `${before}${typed === '' ? space : ''}${candidate.value}` }));
}

/** What may stand behind the pieces of a query. */
class NextWord {
  readonly #types: readonly LogType[];
  readonly #fields: Fields;
  readonly #tokens: readonly Token[];
  readonly #logged: (field: string) => Promise<readonly Candidate[]>;

  constructor(
    types: readonly LogType[],
    tokens: readonly Token[],
    logged: (field: string) => Promise<readonly Candidate[]>,
  ) {
    this.#types = types;
    this.#fields = Fields.of(types);
    this.#tokens = tokens;
    this.#logged = logged;
  }

  async candidates(): Promise<readonly Candidate[]> {
    const last = this.#tokens.at(-1);
    if (last === undefined || last.value === '(' || isKeyword(last, 'AND', 'OR', 'NOT')) return this.#fieldNames();
    if (last.kind === 'comparison') return await this.#valuesOf(this.#tokens.at(-2));
    if (last.value === '{' || last.value === ',') return await this.#valuesOf(this.#fieldOfSet());
    if (isKeyword(last, 'IN', 'NOTIN')) return [{ value: '{' }];
    const field = this.#isField() ? this.#fields.find(last.value) : undefined;
    return field === undefined ? ENDINGS : operatorsOf(field).map((value) => ({ value }));
  }

  #fieldNames(): Candidate[] {
    const names = this.#fields.names.map((value) => ({ value, description: this.#fields.find(value)?.kind }));
    return [...names, { value: 'NOT', description: 'what the next is not' }];
  }

  /** Words that are known of a field: of those that a flag is for, what that flag takes; or else what logs have there. */
  async #valuesOf(token: Token | undefined): Promise<readonly Candidate[]> {
    const name = token?.value ?? '';
    if (this.#fields.find(name)?.kind === 'boolean') return [{ value: 'true' }, { value: 'false' }];
    const aspects = this.#types.flatMap(({ aspects = {} }) => Object.entries(aspects));
    const flag = FILTER_FLAGS[aspects.find(([, field]) => field === name)?.[0] ?? ''];
    const known = flag === undefined ? undefined : completesOf(flag);
    if (typeof known === 'object') return known.map((value) => ({ value }));
    // What is no word by itself stands in quotes.
    return (await this.#logged(name)).map(({ value }) => ({
      value: LAST_WORD.exec(value)?.[0] === value ? value : quoted(value),
    }));
  }

  /** The field before `IN {`. */
  #fieldOfSet(): Token | undefined {
    const open = this.#tokens.findLastIndex(({ value }) => value === '{');
    return this.#tokens[open - 2];
  }

  /** Whether the last piece is in the place of a field. */
  #isField(): boolean {
    const before = this.#tokens.at(-2);
    return before === undefined || before.value === '(' || isKeyword(before, 'AND', 'OR', 'NOT');
  }
}

const ENDINGS: readonly Candidate[] = [{ value: 'AND' }, { value: 'OR' }];

function isKeyword({ kind, value }: Token, ...keywords: readonly string[]): boolean {
  return kind === 'word' && keywords.includes(value.toUpperCase());
}

function operatorsOf({ kind }: Field): readonly string[] {
  return ['=', '!=', ...(ABILITIES[kind].ordered ? ['<', '<=', '>', '>='] : []), 'IN {', 'NOTIN {'];
}
