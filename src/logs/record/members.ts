const QUOTE = 0x22;
const COMMA = 0x2c;
const SLASH = 0x2f;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** @throws Error for a depth that no record may have. */
export function checkDepth(depth: number, maxDepth: number): void {
  if (depth > maxDepth) throw new Error(`nested more than ${maxDepth} levels deep`);
}

/**
 * Finds members of an object by their names, in its bytes.
 *
 * One pass, which follows strings and brackets and looks at nothing else: what is wrong between them, the store finds
 * when it parses the line, but nothing there can end the object early or swallow what is added before its last brace.
 * It sees every byte of every record, so it makes no objects, and compares by `if`: a switch or a table of the bytes'
 * classes takes twice as long.
 */
export class MemberFinder {
  /** Where each name's value begins, after its colon: an offset in the line, or -1 without such a member. */
  readonly values: number[];
  readonly #names: readonly Buffer[];
  /** Which lengths the names have; most keys are told apart by theirs. */
  readonly #hasLength: readonly boolean[];
  readonly #maxDepth: number;

  constructor(names: readonly string[], maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#names = names.map((name) => Buffer.from(name));
    this.values = names.map(() => -1);
    const longest = Math.max(0, ...this.#names.map((name) => name.length));
    this.#hasLength = Array.from({ length: longest + 1 }, (_, length) =>
      this.#names.some((name) => name.length === length),
    );
  }

  /**
   * Looks at the object that begins at `start` and must close at `end`, and sets `values`.
   *
   * False where only a parser can tell: an object that does not close at `end`, something like a comment
   * (Elasticsearch's parser takes them), an escape in a key, or one of the names twice.
   *
   * @throws Error where it is nested too deep.
   */
  find(line: Uint8Array, start: number, end: number): boolean {
    this.values.fill(-1);
    let depth = 0;
    let keyNext = false;
    for (let at = start; at <= end; at++) {
      const byte = line[at] as number;
      if (byte === QUOTE) {
        at = keyNext ? this.#endOfMember(line, at + 1, end) : endOfString(line, at + 1, end);
        keyNext = false;
      } else if (byte === COMMA) keyNext = depth === 1;
      else if (isOpening(byte)) {
        checkDepth(++depth, this.#maxDepth);
        keyNext = depth === 1;
      } else if (isClosing(byte)) depth--;
      else if (byte === SLASH) return false;
      if (depth === 0) return at === end;
    }
    return false;
  }

  /** The same as endOfString, for a key, of which it takes note; `end` also where only a parser can tell. */
  #endOfMember(line: Uint8Array, from: number, end: number): number {
    const close = endOfKey(line, from, end);
    return close === -1 || !this.#note(line, from, close) ? end : close;
  }

  /** Notes where the member's value begins, if it is one of the names. False when it is there twice. */
  #note(line: Uint8Array, from: number, to: number): boolean {
    if (this.#hasLength[to - from] !== true) return true;
    for (let which = 0; which < this.#names.length; which++) {
      const name = this.#names[which] as Buffer;
      if (name.length !== to - from || !isAt(line, from, name)) continue;
      if (this.values[which] !== -1) return false;
      let colon = to + 1;
      while (colon < line.length && line[colon] !== COLON) colon++;
      this.values[which] = colon + 1;
      return true;
    }
    return true;
  }
}

/** How far from an object's beginning findEarly looks. */
const EARLY = 256;

/**
 * Where a member's value begins, after its colon, if it stands near the beginning of the object, before anything nested
 * and anything that only a parser can tell; else -1.
 */
export function findEarly(line: Uint8Array, start: number, name: Uint8Array): number {
  const end = Math.min(line.length, start + EARLY);
  for (let at = start + 1; at < end && !isStructure(line[at] as number); at++) {
    if (line[at] !== QUOTE) continue;
    const from = at + 1;
    at = endOfKey(line, from, end);
    if (at === -1) return -1;
    if (line[at + 1] === COLON && at - from === name.length && isAt(line, from, name)) return at + 2;
  }
  return -1;
}

function isStructure(byte: number): boolean {
  return isOpening(byte) || isClosing(byte) || byte === SLASH;
}

function isOpening(byte: number): boolean {
  return byte === OPEN_BRACE || byte === OPEN_BRACKET;
}

function isClosing(byte: number): boolean {
  return byte === CLOSE_BRACE || byte === CLOSE_BRACKET;
}

/** Offset of the quote that ends a key; -1 where an escape comes first, or none before `end`. */
function endOfKey(line: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = line[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) return -1;
  }
  return -1;
}

/** Offset of the quote that ends the string; `end` where none does before. */
function endOfString(line: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = line[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return end;
}

function isAt(line: Uint8Array, from: number, name: Uint8Array): boolean {
  for (let at = 0; at < name.length; at++) if (line[from + at] !== name[at]) return false;
  return true;
}
