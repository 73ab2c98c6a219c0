import { MAX_ITEMS, MAX_TEXT, type Range } from './json-fields.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const LAST_ASCII = 0x7e;

/** As many as every whole number of a double has. */
const DIGITS = 15;

/**
 * Reads JSON that is written as a program writes it that knows all members: in a known order, without spaces and escapes,
 * of ASCII alone. Is asked for one member after the other. What is not in that form makes it fail; what it says then, and
 * from then on, means nothing.
 */
export class PlainJson {
  #text = '';
  #at = 0;
  /** Whether no member of the innermost object has been read yet. */
  #atFirst = true;
  #failed = false;

  start(text: string): void {
    this.#text = text;
    this.#at = 0;
    this.#failed = false;
  }

  /** Whether everything was in that form, to the end. */
  get wasPlain(): boolean {
    return !this.#failed && this.#at === this.#text.length;
  }

  fail(): void {
    this.#failed = true;
  }

  open(): void {
    this.#expect(OPEN_BRACE);
    this.#atFirst = true;
  }

  close(): void {
    this.#expect(CLOSE_BRACE);
    this.#atFirst = false;
  }

  /** Whether a member of that name comes next; then its value is to be read. */
  member(name: string): boolean {
    const text = this.#text;
    const from = this.#atFirst ? this.#at : this.#at + 1;
    const end = from + 1 + name.length;
    if (text.charCodeAt(end) !== QUOTE || text.charCodeAt(end + 1) !== COLON) return false;
    if (text.charCodeAt(from) !== QUOTE || !text.startsWith(name, from + 1)) return false;
    if (!this.#atFirst) this.#expect(COMMA);
    this.#atFirst = false;
    this.#at = end + 2;
    return true;
  }

  text(): string {
    this.#expect(QUOTE);
    const text = this.#text;
    const from = this.#at;
    let to = from;
    while (isPlain(text.charCodeAt(to))) to++;
    this.#at = to;
    this.#expect(QUOTE);
    if (to - from > MAX_TEXT) this.#failed = true;
    return text.substring(from, to);
  }

  /** A whole number in that range. */
  whole({ from, to }: Range): number {
    const text = this.#text;
    const isNegative = text.charCodeAt(this.#at) === MINUS;
    const first = isNegative ? this.#at + 1 : this.#at;
    let value = 0;
    let at = first;
    for (let digit = text.charCodeAt(at); digit >= ZERO && digit <= NINE; digit = text.charCodeAt(++at)) {
      value = value * 10 + digit - ZERO;
    }
    const digits = at - first;
    // Of more than one digit the first is no 0; nor is there a -0.
    const isWhole =
      digits > 0 && digits <= DIGITS && (text.charCodeAt(first) !== ZERO || (digits === 1 && !isNegative));
    if (isNegative) value = -value;
    if (!isWhole || value < from || value > to) this.#failed = true;
    this.#at = at;
    return value;
  }

  /** Where it stands. */
  get at(): number {
    return this.#at;
  }

  /** What stands there. */
  between(from: number, to: number): string {
    return this.#text.substring(from, to);
  }

  /** Whether the same comes next as stands there; then it is passed over. */
  repeats(from: number, to: number): boolean {
    if (!this.#text.startsWith(this.between(from, to), this.#at)) return false;
    this.#at += to - from;
    return true;
  }

  list<T>(read: () => T): T[] {
    const items: T[] = [];
    this.#expect(OPEN_BRACKET);
    if (this.#text.charCodeAt(this.#at) !== CLOSE_BRACKET) {
      items.push(read());
      while (!this.#failed && this.#text.charCodeAt(this.#at) === COMMA) {
        this.#at++;
        items.push(read());
      }
    }
    this.#expect(CLOSE_BRACKET);
    if (items.length > MAX_ITEMS) this.#failed = true;
    return items;
  }

  #expect(code: number): void {
    if (this.#text.charCodeAt(this.#at++) !== code) this.#failed = true;
  }
}

/** Not NaN either, which is what comes behind the end. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code <= LAST_ASCII && code !== QUOTE && code !== BACKSLASH;
}
