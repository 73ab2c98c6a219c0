import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TooManyWaiting, Turns } from './turns.ts';

const never = new AbortController().signal;

/** Work that ends when it is told to. */
function work(turns: Turns, begun: string[], name: string, signal = never) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = turns.take(async () => {
    begun.push(name);
    await promise;
  }, signal);
  done.catch(() => undefined);
  return { finish: resolve, done };
}

async function settled(): Promise<void> {
  for (let at = 0; at < 10; at++) await Promise.resolve();
}

describe('Turns', () => {
  it('lets no more run at once than it may, the others in order', async () => {
    const begun: string[] = [];
    const turns = new Turns({ atOnce: 2, waiting: 9 });
    const works = ['a', 'b', 'c', 'd'].map((name) => work(turns, begun, name));
    await settled();
    assert.deepEqual(begun, ['a', 'b']);
    works[1]?.finish();
    await settled();
    assert.deepEqual(begun, ['a', 'b', 'c']);
    for (const { finish } of works) finish();
    await Promise.all(works.map(({ done }) => done));
    assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
  });

  it('gives a turn to one, also where another comes at the moment when it is free', async () => {
    const turns = new Turns({ atOnce: 2, waiting: 9 });
    let running = 0;
    let most = 0;
    const piece = async () => {
      most = Math.max(most, ++running);
      await settled();
      running--;
    };
    const worker = async () => {
      for (let at = 0; at < 5; at++) await turns.take(piece, never);
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    assert.equal(most, 2);
  });

  it('turns away who would have to wait behind too many', async () => {
    const turns = new Turns({ atOnce: 1, waiting: 1 });
    const works = ['a', 'b'].map((name) => work(turns, [], name));
    await assert.rejects(work(turns, [], 'c').done, TooManyWaiting);
    for (const { finish } of works) finish();
    await Promise.all(works.map(({ done }) => done));
  });

  it('lets who waits give up, and goes on with the next', async () => {
    const begun: string[] = [];
    const turns = new Turns({ atOnce: 1, waiting: 9 });
    const first = work(turns, begun, 'a');
    const impatient = new AbortController();
    const second = work(turns, begun, 'b', impatient.signal);
    const third = work(turns, begun, 'c');
    await settled();
    impatient.abort(new Error('gave up'));
    await assert.rejects(second.done, /gave up/);
    first.finish();
    third.finish();
    await third.done;
    assert.deepEqual(begun, ['a', 'c']);
  });

  it('loses no turn to one who gives up at the moment when it comes', async () => {
    const begun: string[] = [];
    const turns = new Turns({ atOnce: 1, waiting: 9 });
    const impatient = new AbortController();
    const first = turns.take(async () => impatient.abort(new Error('gave up')), never);
    const second = work(turns, begun, 'b', impatient.signal);
    const third = work(turns, begun, 'c');
    third.finish();
    await first;
    await assert.rejects(second.done, /gave up/);
    await third.done;
    assert.deepEqual(begun, ['c']);
  });

  it('lets more run at once, or fewer once so many have ended', async () => {
    const begun: string[] = [];
    const turns = new Turns({ atOnce: 3, waiting: 9 });
    const works = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => work(turns, begun, name));
    await settled();
    turns.atOnce = 1;
    works[0]?.finish();
    works[1]?.finish();
    await settled();
    assert.deepEqual(begun, ['a', 'b', 'c']);
    works[2]?.finish();
    await settled();
    assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
    turns.atOnce = 3;
    await settled();
    assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e', 'f']);
    for (const { finish } of works) finish();
    await Promise.all(works.map(({ done }) => done));
  });
});
