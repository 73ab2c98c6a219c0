/**
 * The inner loop of PlainLines, in AssemblyScript: TypeScript's syntax for WebAssembly. Numbers are WebAssembly's, and
 * memory is addresses. Nothing runs this file; `npm run wasm` makes compiled.ts of it.
 */
import { checksum } from '../../../record/checksum/assembly';

/** Where the caller puts whole lines, and how many bytes there may be. What is read beyond them is ignored. */
export const PIECE: usize = 0x10000;
export const PIECE_BYTES: usize = 0x10000;

/** How lines must begin, at most 4096 bytes. */
const BEGINNING: usize = 0x8000;

/** Where the caller puts what stands before a line's offset in its item, and what ends an item; as many at most. */
export const ACTION: usize = 0x9000;
export const MEMBERS: usize = 0xa000;

/** Where the items are found, and as i32 where each line began and where its item ends. */
export const ITEMS: usize = 0x30000;
export const STARTS: usize = 0x60000;
export const ENDS: usize = 0x68000;

/** What `take` has done since `clear`: so many items in so many bytes, and why it went no further. */
export let count: i32 = 0;
export let written: i32 = 0;
export let stopped: i32 = 0;

/** How many bytes of the caller's items stand before these. */
let before: i32 = 0;

/** How much of BEGINNING, ACTION and MEMBERS counts. */
let beginning: usize = 0;
let action: usize = 0;
let members: usize = 0;

/**
 * Where in BEGINNING the digits of the time stand, how many they are, where in MEMBERS they stand as well, and between
 * which numbers. Without digits nothing in the beginning may be another.
 */
let time: usize = 0;
let digits: i32 = 0;
let moment: usize = 0;
let earliest: u64 = 0;
let latest: u64 = 0;

/** As `Stop` in line-kernel.ts. */
const OTHER_BEGINNING: i32 = 0;
const OTHER_FORM: i32 = 1;
const FULL: i32 = 2;
const PART: i32 = 3;

const ITEMS_BYTES: usize = STARTS - ITEMS;
const MOST_ITEMS: i32 = 0x2000;

/**
 * Longer lines cost their bytes, and hardly anything for being one line more. None that is as short can be nested so deep
 * that Elasticsearch would not come back from it, which is what LogType.maxDepth is for.
 */
const LONGEST: usize = 4096;

/** Around a line in its item stand two numbers and a few bytes; and copies write up to 15 bytes more. */
const AROUND: usize = 64;

const NEWLINE: u8 = 0x0a;
const ASTERISK: u8 = 0x2a;
const SLASH: u8 = 0x2f;
const BACKSLASH: u8 = 0x5c;
const ZERO: u8 = 0x30;
const UNDERSCORE: u8 = 0x5f;
const SMALL_D: u8 = 0x64;
const SMALL_H: u8 = 0x68;
const CLOSE_BRACE: u8 = 0x7d;

/** Text as a number that is loaded. */
const OST_QUOTE: u32 = 0x2274736f;
const OC_C: u32 = 0x635f636f;
const ID_END: u32 = 0x0a7d7d22;

/** Copies up to 15 bytes more than that. */
function copy(to: usize, from: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at));
}

/** Which of sixteen bytes are decimal digits. */
function areDigits(bytes: v128): v128 {
  return i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(ZERO)), i8x16.splat(10));
}

/** Whether the bytes at an address are those of BEGINNING, or digits where there are digits and that is allowed. */
function begins(at: usize): bool {
  const any = i8x16.splat(digits > 0 ? -1 : 0);
  for (let done: usize = 0; done < beginning; done += 16) {
    const bytes = v128.load(at + done);
    const wanted = v128.load(BEGINNING + done);
    const digit = v128.and(v128.and(areDigits(bytes), areDigits(wanted)), any);
    const same = i8x16.bitmask(v128.or(i8x16.eq(bytes, wanted), digit));
    if (same !== 0xffff) return done + ctz(~same) >= beginning;
  }
  return true;
}

/** Whether the time of the line there is one of those that are taken; then MEMBERS has it. */
function hasTime(line: usize): bool {
  let number: u64 = 0;
  let isOther = false;
  for (let n: usize = 0; n < usize(digits); n++) {
    const digit = load<u8>(line + time + n);
    isOther = isOther || digit !== load<u8>(MEMBERS + moment + n);
    number = number * 10 + (digit - ZERO);
  }
  if (number < earliest || number > latest) return false;
  if (isOther) memory.copy(MEMBERS + moment, line + time, usize(digits));
  return true;
}

/**
 * Whether something begins there that a line must not hold: an escape, which can hide anything; a comment, which
 * Elasticsearch's parser takes and which would hide what is added; `host"`, which stays as it is; and `doc_c`, since
 * `_doc_count` would make one record count as many. Keys that are added are not looked for: Elasticsearch refuses what is
 * there twice.
 */
function isSuspicious(at: usize): bool {
  const byte = load<u8>(at);
  if (byte === SLASH) {
    const next = load<u8>(at, 1);
    return next === SLASH || next === ASTERISK;
  }
  if (byte === SMALL_H) return load<u32>(at, 1) === OST_QUOTE;
  if (byte === SMALL_D) return load<u32>(at, 1) === OC_C;
  return byte === BACKSLASH;
}

/** Where the line that begins at `from` ends; `to` where it does not before; 0 where something in it is suspicious. */
function endOfLine(from: usize, to: usize): usize {
  for (let at = from; at < to; at += 16) {
    const bytes = v128.load(at);
    const newlines = i8x16.eq(bytes, i8x16.splat(NEWLINE));
    const doc = v128.and(i8x16.eq(bytes, i8x16.splat(SMALL_D)), i8x16.eq(v128.load(at, 3), i8x16.splat(UNDERSCORE)));
    const slashes = v128.or(i8x16.eq(bytes, i8x16.splat(SLASH)), i8x16.eq(bytes, i8x16.splat(BACKSLASH)));
    const others = v128.or(v128.or(slashes, doc), i8x16.eq(bytes, i8x16.splat(SMALL_H)));
    if (!v128.any_true(v128.or(newlines, others))) continue;
    const ends = i8x16.bitmask(newlines);
    let found = i8x16.bitmask(others);
    if (ends !== 0) found &= (ends & -ends) - 1;
    for (; found !== 0; found &= found - 1) if (isSuspicious(at + ctz(found))) return 0;
    if (ends !== 0) return min(at + ctz(ends), to);
  }
  return to;
}

/** Writes a number as Number.toString(36) does. Returns where it ends. */
function base36(at: usize, value: u64): usize {
  let digits: usize = 1;
  for (let power: u64 = 36; value >= power && digits < 12; power *= 36) digits++;
  const end = at + digits;
  let to = end;
  let rest = value;
  for (; rest > 0xffffffff; rest /= 36) store<u8>(--to, digit(u32(rest % 36)));
  for (let small = u32(rest); to > at; small /= 36) store<u8>(--to, digit(small % 36));
  return end;
}

function digit(value: u32): u8 {
  return u8(value < 10 ? 0x30 + value : 0x57 + value);
}

/** For another file: no line begins as it should. */
export function begin(): void {
  beginning = 0;
}

/** Makes room for items, before which there are so many bytes. */
export function clear(bytes: i32): void {
  count = 0;
  written = 0;
  before = bytes;
}

/** So many bytes of ACTION and MEMBERS count. */
export function surround(actionBytes: i32, memberBytes: i32): void {
  action = usize(actionBytes);
  members = usize(memberBytes);
}

/**
 * Has lines taken that begin with so many bytes of the one there in the piece. Where the time before the last of these
 * is of nothing but digits, of which there are `timeDigits`, other digits are taken too, if the time is not before `from`
 * nor after `to`; then its digits are put into MEMBERS, at `at`.
 */
export function turn(start: i32, bytes: i32, timeDigits: i32, from: f64, to: f64, at: i32): void {
  beginning = usize(bytes);
  memory.copy(BEGINNING, PIECE + usize(start), beginning);
  digits = timeDigits;
  time = beginning - 1 - usize(digits);
  earliest = u64(from);
  latest = u64(to);
  moment = usize(at);
}

/**
 * Adds items of the lines from `from` on, of the `to` bytes in the piece, for as long as they are in the form and begin
 * as they should. The piece stands at `base` among the caller's lines, and these at `offset` in their file. Returns where
 * it has stopped.
 */
export function take(from: i32, to: i32, base: i32, offset: f64): i32 {
  const last = PIECE + usize(to);
  const place = u64(offset) + u64(base);
  let start = PIECE + usize(from);
  let at = ITEMS + usize(written);
  stopped = PART;
  while (start < last) {
    const end = endOfLine(start, last);
    if (end === last) break;
    const length = end - start;
    if (end === 0 || length > LONGEST || load<u8>(end - 1) !== CLOSE_BRACE) {
      stopped = OTHER_FORM;
      break;
    }
    if (at - ITEMS + length + action + members + AROUND > ITEMS_BYTES || count === MOST_ITEMS) {
      stopped = FULL;
      break;
    }
    if (beginning === 0 || length < beginning || !begins(start) || (digits > 0 && !hasTime(start))) {
      stopped = OTHER_BEGINNING;
      break;
    }
    copy(at, ACTION, action);
    at = base36(at + action, place + u64(start - PIECE));
    store<u8>(at, SLASH);
    at = base36(at + 1, checksum(start, end));
    store<u32>(at, ID_END);
    at += 4;
    copy(at, start, length - 1);
    at += length - 1;
    copy(at, MEMBERS, members);
    at += members;
    store<i32>(STARTS + (count << 2), base + i32(start - PIECE));
    store<i32>(ENDS + (count << 2), before + i32(at - ITEMS));
    count++;
    start = end + 1;
  }
  written = i32(at - ITEMS);
  return i32(start - PIECE);
}
