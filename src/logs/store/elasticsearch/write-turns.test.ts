import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreUnavailable } from '../log-store.ts';
import { type WriteTurn, WriteTurns } from './write-turns.ts';

const signal = new AbortController().signal;

/** So many writes that begin together; each is refused once where it says so. */
async function burst(turns: WriteTurns, count: number, isRefused = (_: number) => false): Promise<number> {
  let [underWay, most] = [0, 0];
  const write = (n: number) => async (turn: WriteTurn) => {
    most = Math.max(most, ++underWay);
    await new Promise(setImmediate);
    if (isRefused(n)) turn.tooMany();
    underWay--;
  };
  await Promise.all(Array.from({ length: count }, (_, n) => turns.take(write(n), signal)));
  return most;
}

describe('WriteTurns', () => {
  it('lets more write at once for as long as all goes well, up to 16', async () => {
    const turns = new WriteTurns();
    assert.equal(await burst(turns, 4), 4);
    assert.equal(turns.atOnce, 5);
    assert.equal(await burst(turns, 1_000), 16);
    assert.equal(turns.atOnce, 16);
  });

  it('lets half as many write once there were too many, whoever of those says so, and never none', async () => {
    const turns = new WriteTurns();
    await burst(turns, 1_000);
    await burst(turns, 16, () => true);
    assert.equal(turns.atOnce, 8);
    assert.equal(await burst(turns, 8, (n) => n === 3), 8);
    assert.equal(turns.atOnce, 4);
    for (let n = 0; n < 5; n++) await burst(turns, 1, () => true);
    assert.equal(turns.atOnce, 1);
    assert.equal(await burst(turns, 3), 2);
  });

  it('has who waits for too long go away', async () => {
    const turns = new WriteTurns(20);
    const { promise: never, resolve } = Promise.withResolvers<void>();
    const hung = Array.from({ length: 4 }, () => turns.take(() => never, signal));
    await assert.rejects(
      turns.take(async () => assert.fail('it has no turn'), signal),
      (error: Error) => error instanceof StoreUnavailable && /4 writes are under way/.test(error.message),
    );
    resolve();
    await Promise.all(hung);
    assert.equal(await burst(turns, 1), 1);
  });

  it('ends the wait of who is stopped', async () => {
    const turns = new WriteTurns();
    const stop = new AbortController();
    const { promise: never, resolve } = Promise.withResolvers<void>();
    const hung = Array.from({ length: 4 }, () => turns.take(() => never, signal));
    const waiting = turns.take(async () => assert.fail('it has no turn'), stop.signal);
    stop.abort(new Error('stopped'));
    await assert.rejects(waiting, /stopped/);
    resolve();
    await Promise.all(hung);
  });
});
