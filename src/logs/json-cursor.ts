const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const SLASH = 0x2f;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Goes through JSON without making values of it: to pass on parts of a long answer as they are takes a fraction of the time
 * that reading and writing them does. For what a program has written: between the values that are walked into there is
 * nothing but their commas and colons. Every method throws a SyntaxError where that is not so.
 */
export class JsonCursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Walks into an object. `member` is told each key, and has to go behind the value. */
  object(member: (key: string) => void): void {
    this.#expect(OPEN_BRACE);
    if (this.#takes(CLOSE_BRACE)) return;
    do {
      const key = this.string();
      this.#at++;
      member(key);
    } while (this.#takes(COMMA));
    this.#expect(CLOSE_BRACE);
  }

  /** Walks into an array. `element` has to go behind each. */
  array(element: () => void): void {
    this.#expect(OPEN_BRACKET);
    if (this.#takes(CLOSE_BRACKET)) return;
    do element();
    while (this.#takes(COMMA));
    this.#expect(CLOSE_BRACKET);
  }

  /** Goes behind a string: what it says. */
  string(): string {
    this.#expect(QUOTE);
    const from = this.#at;
    const to = endOfString(this.#text, from);
    this.#at = to + 1;
    const text = this.#text.slice(from, to);
    return text.includes('\\') ? String(JSON.parse(`"${text}"`)) : text;
  }

  /** Goes behind a value: its text, without what may be between its tokens. Only brackets and strings are followed. */
  value(): string {
    const text = this.#text;
    const from = this.#at;
    let at = from;
    let depth = 0;
    let isCompact = true;
    do {
      const code = text.charCodeAt(at);
      if (code === QUOTE) at = endOfString(text, at + 1);
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
      else if (code <= SPACE) isCompact = false;
      // Something like a comment, or the end.
      else if (code === SLASH || Number.isNaN(code)) throw new SyntaxError(`no JSON at ${at}`);
      at++;
    } while (depth > 0 || !isEnd(text.charCodeAt(at)));
    this.#at = at;
    const value = text.slice(from, at);
    return isCompact ? value : JSON.stringify(JSON.parse(value));
  }

  /** @throws SyntaxError where there is more */
  end(): void {
    if (this.#at < this.#text.length) throw new SyntaxError(`no JSON at ${this.#at}`);
  }

  #takes(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at++;
    return true;
  }

  #expect(code: number): void {
    if (!this.#takes(code)) throw new SyntaxError(`no JSON at ${this.#at}`);
  }
}

/** Where the quote is that ends the string; `from` is behind the one that begins it. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at !== -1; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at;
  }
  throw new SyntaxError('a string without an end');
}

/** Whether that is what comes behind a value: a comma, a colon, a closing bracket or nothing. */
function isEnd(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code === 0x3a || Number.isNaN(code);
}
