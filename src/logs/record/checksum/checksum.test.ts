import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checksum } from './checksum.ts';

const PRIMES: readonly bigint[] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
];
const [P1 = 0n, P2 = 0n, P3 = 0n, P4 = 0n, P5 = 0n] = PRIMES;

const u64 = (value: bigint) => BigInt.asUintN(64, value);
const rotl = (value: bigint, bits: bigint) => u64(value << bits) | (value >> (64n - bits));
const round = (lane: bigint, input: bigint) => u64(rotl(u64(lane + input * P2), 31n) * P1);

/** As the specification has it, step by step. */
function xxh64(bytes: Buffer): bigint {
  let at = 0;
  let hash = P5;
  if (bytes.length >= 32) {
    const lanes = [u64(P1 + P2), P2, 0n, u64(-P1)];
    for (; at + 32 <= bytes.length; at += 32) {
      for (const [n, lane] of lanes.entries()) lanes[n] = round(lane, bytes.readBigUInt64LE(at + n * 8));
    }
    hash = lanes.reduce((sum, lane, n) => u64(sum + rotl(lane, [1n, 7n, 12n, 18n][n] ?? 0n)), 0n);
    for (const lane of lanes) hash = u64((hash ^ round(0n, lane)) * P1 + P4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = u64(rotl(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4);
  }
  for (; at + 4 <= bytes.length; at += 4) {
    hash = u64(rotl(hash ^ u64(BigInt(bytes.readUInt32LE(at)) * P1), 23n) * P2 + P3);
  }
  for (; at < bytes.length; at++) hash = u64(rotl(hash ^ u64(BigInt(bytes.readUInt8(at)) * P5), 11n) * P1);
  hash = u64((hash ^ (hash >> 33n)) * P2);
  hash = u64((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}

describe('checksum', () => {
  it('is the lower half of the published XXH64', () => {
    for (const [text, hash] of [
      ['', 0xef46db3751d8e999n],
      ['a', 0xd24ec4f1a98c6e5bn],
      ['abc', 0x44bc2cf5ad770999n],
      ['Nobody inspects the spammish repetition', 0xfbcea83c8a378bf1n],
    ] as const) {
      assert.equal(xxh64(Buffer.from(text)), hash);
      assert.equal(checksum(Buffer.from(text)), Number(BigInt.asUintN(32, hash)));
    }
  });

  it('is so for every length, also of more than the memory holds at once', () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * n + (n >> 5)) & 0xff));
    const lengths = [...Array(200).keys(), 0xf000 - 1, 0xf000, 0xf000 + 1, 2 * 0xf000, 3 * 0xf000 + 33];
    for (const length of lengths) {
      const some = bytes.subarray(7, 7 + length);
      assert.equal(checksum(some), Number(BigInt.asUintN(32, xxh64(some))), `${length} bytes`);
    }
  });
});
