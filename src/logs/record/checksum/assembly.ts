/**
 * XXH64 with the seed 0, by its specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), in AssemblyScript:
 * TypeScript's syntax for WebAssembly. Nothing runs this file; `npm run wasm` makes compiled.ts of it, and it is a part
 * of the line kernel.
 */

/** Where the caller puts bytes, and how many there may be: whole stripes. */
export const PIECE: usize = 0x400;
export const PIECE_BYTES: usize = 0xf000;

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;

/** Bytes that the four lanes take at once. */
const STRIPE: usize = 32;

let lane1: u64 = 0;
let lane2: u64 = 0;
let lane3: u64 = 0;
let lane4: u64 = 0;

function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * PRIME_2, 31) * PRIME_1;
}

function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}

/** Begins a checksum. */
export function begin(): void {
  lane1 = PRIME_1 + PRIME_2;
  lane2 = PRIME_2;
  lane3 = 0;
  lane4 = 0 - PRIME_1;
}

/** Takes whole stripes. Returns where the rest begins, which is shorter than one. */
function takeStripes(from: usize, to: usize): usize {
  let a = lane1;
  let b = lane2;
  let c = lane3;
  let d = lane4;
  let at = from;
  for (; at + STRIPE <= to; at += STRIPE) {
    a = round(a, load<u64>(at));
    b = round(b, load<u64>(at, 8));
    c = round(c, load<u64>(at, 16));
    d = round(d, load<u64>(at, 24));
  }
  lane1 = a;
  lane2 = b;
  lane3 = c;
  lane4 = d;
  return at;
}

/** Takes the rest, which is shorter than a stripe, of so many bytes in all. */
function finish(from: usize, to: usize, total: u64): u64 {
  let hash = PRIME_5;
  if (total >= STRIPE) {
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
    hash = merge(merge(merge(merge(hash, lane1), lane2), lane3), lane4);
  }
  hash += total;
  let at = from;
  for (; at + 8 <= to; at += 8) hash = rotl<u64>(hash ^ round(0, load<u64>(at)), 27) * PRIME_1 + PRIME_4;
  if (at + 4 <= to) {
    hash = rotl<u64>(hash ^ (u64(load<u32>(at)) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  for (; at < to; at++) hash = rotl<u64>(hash ^ (u64(load<u8>(at)) * PRIME_5), 11) * PRIME_1;
  hash = (hash ^ (hash >>> 33)) * PRIME_2;
  hash = (hash ^ (hash >>> 29)) * PRIME_3;
  return hash ^ (hash >>> 32);
}

/** Takes a piece that is full, and more comes. */
export function take(): void {
  takeStripes(PIECE, PIECE + PIECE_BYTES);
}

/** The checksum of `total` bytes, of which the piece holds the last `length`. */
export function end(length: i32, total: f64): u32 {
  const to = PIECE + usize(length);
  return u32(finish(takeStripes(PIECE, to), to, u64(total)));
}

/** The checksum of what stands there: the lower half of its XXH64. */
export function checksum(from: usize, to: usize): u32 {
  begin();
  return u32(finish(takeStripes(from, to), to, to - from));
}
