const QUOTE = 0x22;
const COMMA = 0x2c;
const SLASH = 0x2f;
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
 * Where the values of an object's own members begin, after their colon: for each of `names` an offset in `line`, or -1
 * where the object has no such member. The object begins at `start` and must close at `end`.
 *
 * One pass, which follows strings and brackets and looks at nothing else: what is wrong between them, the store finds
 * when it parses the line, but nothing there can end the object early or swallow what is added before its last brace.
 *
 * undefined where only a parser can tell: an object that does not close at `end`, something like a comment
 * (Elasticsearch's parser takes them), an escape in a key, or one of the names twice.
 *
 * @throws Error where it is nested too deep.
 */
export function findMembers(
  line: Buffer,
  start: number,
  end: number,
  names: readonly Buffer[],
  maxDepth: number,
): readonly number[] | undefined {
  const values = names.map(() => -1);
  let depth = 0;
  let keyNext = false;
  for (let at = start; at <= end; at++) {
    switch (line[at]) {
      case QUOTE: {
        const close = endOfString(line, at + 1);
        if (keyNext && !noteKey(line, at + 1, close, names, values)) return undefined;
        keyNext = false;
        at = close;
        break;
      }
      case COMMA:
        keyNext = depth === 1;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        keyNext = ++depth === 1;
        checkDepth(depth, maxDepth);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (--depth === 0) return at === end ? values : undefined;
        break;
      case SLASH:
        return undefined;
    }
  }
  return undefined;
}

/** Offset of the quote that ends the string; the end of the line where none does. */
function endOfString(line: Buffer, from: number): number {
  for (let at = from; at < line.length; at++) {
    const byte = line[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return line.length;
}

/** Notes where the member's value begins, if it is one of `names`. False where the bytes alone cannot tell. */
function noteKey(line: Buffer, from: number, to: number, names: readonly Buffer[], values: number[]): boolean {
  for (let at = from; at < to; at++) if (line[at] === BACKSLASH) return false;
  for (let which = 0; which < names.length; which++) {
    const name = names[which] as Buffer;
    if (name.length !== to - from || !isAt(line, from, name)) continue;
    if (values[which] !== -1) return false;
    values[which] = line.indexOf(':', to) + 1;
    return true;
  }
  return true;
}

function isAt(line: Buffer, from: number, name: Buffer): boolean {
  for (let at = 0; at < name.length; at++) if (line[from + at] !== name[at]) return false;
  return true;
}
