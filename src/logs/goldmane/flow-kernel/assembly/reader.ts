/** Reads JSON that is written without spaces and escapes, of ASCII alone, by a program that knows all members. */
import { eightOf, Value } from './value';

/** As MAX_TEXT and MAX_ITEMS in json-fields.ts. */
const MAX_TEXT: usize = 1024;
const MAX_ITEMS: i32 = 1000;

/** As many as every whole number of a double has. */
const MAX_DIGITS: usize = 15;

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const COMMA: u8 = 0x2c;
const MINUS: u8 = 0x2d;
const ZERO: u8 = 0x30;
const OPEN_BRACKET: u8 = 0x5b;
const BACKSLASH: u8 = 0x5c;
const CLOSE_BRACKET: u8 = 0x5d;
const OPEN_BRACE: u8 = 0x7b;
const CLOSE_BRACE: u8 = 0x7d;
const DELETE: u8 = 0x7f;

/** Where in the line it is read, and whether no member of the innermost object was read yet. */
let at: usize = 0;
let atFirst: bool = true;
let failed: bool = false;

/** Begins with what stands there, before a zero that ends whatever is read. */
export function start(from: usize): void {
  at = from;
  failed = false;
}

export function position(): usize {
  return at;
}

export function hasFailed(): bool {
  return failed;
}

/** What is read is in another form: it says nothing from now on. */
export function fail(): void {
  failed = true;
}

export function open(): void {
  expect(OPEN_BRACE);
  atFirst = true;
}

export function close(): void {
  expect(CLOSE_BRACE);
  atFirst = false;
}

function expect(byte: u8): void {
  if (load<u8>(at++) !== byte) failed = true;
}

/** Whether that member comes next, by its name with quotes and colon; then its value is to be read. */
export function member(name: string): bool {
  const from = atFirst ? at : at + 1;
  if (!stands(name, from)) return false;
  if (!atFirst) expect(COMMA);
  atFirst = false;
  at = from + name.length;
  return true;
}

/** Whether a list begins that has an item. */
export function openList(): bool {
  expect(OPEN_BRACKET);
  return load<u8>(at) !== CLOSE_BRACKET;
}

/** Whether another item follows. */
export function nextItem(): bool {
  if (failed || load<u8>(at) !== COMMA) return false;
  at++;
  return true;
}

export function closeList(): void {
  expect(CLOSE_BRACKET);
}

/** '' where it is missing, and for Calico's "-" that says that it does not apply. */
export function text(value: Value, name: string): void {
  value.from = at;
  value.to = at;
  if (!member(name)) return;
  value.from = at + 1;
  readText();
  value.to = at - 1;
  if (value.to === value.from + 1 && load<u8>(value.from) === MINUS) value.to = value.from;
}

function readText(): void {
  expect(QUOTE);
  const from = at;
  at = endOfText(from);
  if (at - from > MAX_TEXT) failed = true;
  expect(QUOTE);
}

/** A list of texts, as it stands there; nothing where it is empty. */
export function texts(value: Value, name: string): void {
  value.from = at;
  value.to = at;
  if (!member(name)) return;
  const from = at;
  let items: i32 = 0;
  for (let more = openList(); more; more = nextItem()) {
    readText();
    items++;
  }
  closeList();
  if (items > MAX_ITEMS) failed = true;
  if (items === 0) return;
  value.from = from;
  value.to = at;
}

/** A whole number in that range; 0 where it is missing. */
export function whole(value: Value, name: string, least: i64, most: i64): void {
  value.from = at;
  value.to = at;
  value.number = 0;
  if (!member(name)) return;
  value.from = at;
  const isNegative = load<u8>(at) === MINUS;
  const first = isNegative ? at + 1 : at;
  let number: i64 = 0;
  let end = first;
  for (let digit = load<u8>(end) - ZERO; digit <= 9; digit = load<u8>(++end) - ZERO) number = number * 10 + digit;
  const count = end - first;
  // Of more than one digit the first is no 0; nor is there a -0.
  if (count === 0 || count > MAX_DIGITS) failed = true;
  if (load<u8>(first) === ZERO && (count > 1 || isNegative)) failed = true;
  value.number = isNegative ? -number : number;
  if (value.number < least || value.number > most) failed = true;
  at = end;
  value.to = end;
}

/** Where the first byte stands that cannot be in a text as it is; the zero behind the line is one. */
function endOfText(from: usize): usize {
  let at = from;
  let found = special(at);
  while (found === 0) {
    at += 16;
    found = special(at);
  }
  return at + ctz(found);
}

/** Which of sixteen bytes are a quote, a backslash, no character that is printed or beyond ASCII. */
function special(at: usize): i32 {
  const bytes = v128.load(at);
  const ends = v128.or(i8x16.eq(bytes, i8x16.splat(QUOTE)), i8x16.eq(bytes, i8x16.splat(BACKSLASH)));
  // Compared with their signs: what is beyond ASCII is below 0.
  const others = v128.or(i8x16.lt_s(bytes, i8x16.splat(SPACE)), i8x16.eq(bytes, i8x16.splat(DELETE)));
  return i8x16.bitmask(v128.or(ends, others));
}

/** Whether a constant stands there. */
function stands(text: string, at: usize): bool {
  const length = usize(text.length);
  for (let done: usize = 0; done < length; done += 8) {
    const others = eightOf(text, done) ^ load<u64>(at + done);
    const rest = length - done;
    if (others << (rest < 8 ? (8 - rest) << 3 : 0)) return false;
  }
  return true;
}
