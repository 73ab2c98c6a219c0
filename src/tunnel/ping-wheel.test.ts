import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PingWheel } from './ping-wheel.ts';

it('answers the first ping at once and every other within two seconds, and leaves no timer behind', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const wheel = new PingWheel();
  const said: string[] = [];
  const [one, two] = [wheel.responder(), wheel.responder()];
  one(() => said.push('one 1'));
  one(() => said.push('one 2'));
  t.mock.timers.tick(1_000);
  two(() => said.push('two 1'));
  two(() => said.push('two 2'));
  assert.deepEqual(said, ['one 1', 'two 1']);
  t.mock.timers.tick(900);
  assert.equal(said.length, 2);
  t.mock.timers.tick(100);
  assert.equal(said.at(-1), 'one 2');
  t.mock.timers.tick(1_000);
  assert.equal(said.at(-1), 'two 2');
  const cleared = t.mock.method(globalThis, 'clearInterval');
  one(() => said.push('one 3'));
  t.mock.timers.tick(2_000);
  assert.equal(said.at(-1), 'one 3');
  assert.equal(cleared.mock.callCount(), 1);
});
