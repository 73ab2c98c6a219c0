import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BodyMemory } from './body-memory.ts';

const MIB = 1024 * 1024;

describe('BodyMemory', () => {
  it('gives the same memory again once it is given back, and not before', () => {
    const memory = new BodyMemory();
    const one = memory.take(100);
    const other = memory.take(MIB);
    assert.deepEqual([one.length, other.length], [100, MIB]);
    assert.notEqual(one.buffer, other.buffer);
    memory.giveBack(one);
    const next = memory.take(2 * MIB);
    assert.equal(next.length, 2 * MIB);
    assert.equal(next.buffer, one.buffer);
    assert.notEqual(memory.take(5).buffer, one.buffer);
  });

  it('makes what is longer for itself', () => {
    const memory = new BodyMemory();
    const long = memory.take(20 * MIB);
    assert.equal(long.length, 20 * MIB);
    memory.giveBack(long);
    assert.notEqual(memory.take(20 * MIB).buffer, long.buffer);
  });
});
