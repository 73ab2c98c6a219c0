import { QueryError } from './query-error.ts';

export type TokenKind = 'word' | 'string' | 'comparison' | 'punctuation' | 'end';

/** A piece of a query's text. */
export interface Token {
  readonly kind: TokenKind;
  /** What it says; of a string, without quotes and escapes. */
  readonly value: string;
  /** Its place in the text, in UTF-16 units. */
  readonly at: number;
  readonly length: number;
}

/** A string, something that is none to its end, a comparison, punctuation, or whatever is none of these up to the next. */
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|(")|(!=|<=|>=|=|<|>)|([(){},])|([^\s"(){},=<>!]+)|(\S))/suy;

/** The pieces of a query, the last of which is its end. @throws QueryError */
export function readTokens(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(text); found !== null; found = TOKEN.exec(text)) {
    const [whole, string, open, comparison, punctuation, word] = found;
    const length = whole.trimStart().length;
    const at = found.index + whole.length - length;
    if (open !== undefined) throw new QueryError('this string has no end', text, at);
    if (string !== undefined) tokens.push({ kind: 'string', value: unquoted(string, text, at), at, length });
    else if (comparison !== undefined) tokens.push({ kind: 'comparison', value: comparison, at, length });
    else if (punctuation !== undefined) tokens.push({ kind: 'punctuation', value: punctuation, at, length });
    else if (word !== undefined) tokens.push({ kind: 'word', value: word, at, length });
    else throw new QueryError(`unexpected ${whole.trim()}`, text, at);
  }
  return [...tokens, { kind: 'end', value: '', at: text.length, length: 1 }];
}

/** A string as readTokens reads it. */
export function quoted(value: string): string {
  return JSON.stringify(value).replace(STEERING, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** What JSON leaves as it is, and a terminal does not. */
const STEERING = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  f: '\f',
  '"': '"',
  '\\': '\\',
  '/': '/',
};

function unquoted(token: string, text: string, at: number): string {
  return token.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|.)/gsu, (sequence, what: string, offset: number) => {
    if (what.length === 5) return String.fromCharCode(Number.parseInt(what.slice(1), 16));
    // In sets these are wildcards otherwise, and the backslash is read there.
    if (what === '*' || what === '?') return sequence;
    const character = ESCAPES[what];
    if (character !== undefined) return character;
    throw new QueryError(
      `${sequence} is no escape: a backslash is written as \\\\`,
      text,
      at + 1 + offset,
      sequence.length,
    );
  });
}
