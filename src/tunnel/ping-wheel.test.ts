import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { PingWheel } from './ping-wheel.ts';

/** Lets time pass; `inOneGo` for a process that is too busy for its timers meanwhile. */
function mockTime(t: TestContext) {
  let now = 0;
  t.mock.timers.enable({ apis: ['setInterval'] });
  t.mock.method(performance, 'now', () => now);
  return (milliseconds: number, { inOneGo = false } = {}) => {
    const step = inOneGo ? milliseconds : 25;
    for (let passed = 0; passed < milliseconds; passed += step) {
      now += step;
      t.mock.timers.tick(25);
    }
  };
}

describe('PingWheel', () => {
  it('answers the first ping at once and every other within two seconds, and leaves no timer behind', (t) => {
    const pass = mockTime(t);
    const wheel = new PingWheel();
    const said: string[] = [];
    const [one, two] = [wheel.responder(), wheel.responder()];
    one(() => said.push('one 1'));
    one(() => said.push('one 2'));
    pass(1_000);
    two(() => said.push('two 1'));
    two(() => said.push('two 2'));
    assert.deepEqual(said, ['one 1', 'two 1']);
    pass(900);
    assert.equal(said.length, 2);
    pass(100);
    assert.equal(said.at(-1), 'one 2');
    pass(1_000);
    assert.equal(said.at(-1), 'two 2');
    const cleared = t.mock.method(globalThis, 'clearInterval');
    one(() => said.push('one 3'));
    pass(2_000);
    assert.equal(said.at(-1), 'one 3');
    assert.equal(cleared.mock.callCount(), 1);
  });

  it('answers no later where the process is too busy for its timers: Guardian would give the tunnel up', (t) => {
    const pass = mockTime(t);
    const answer = new PingWheel().responder();
    const said: number[] = [];
    for (const ping of [1, 2, 3]) answer(() => said.push(ping));
    for (let turn = 0; turn < 4; turn++) pass(500, { inOneGo: true });
    assert.deepEqual(said, [1, 2, 3]);
  });
});
