import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INITIAL_WINDOW } from './frame.ts';
import { LARGEST_WINDOW, ReceiveWindow, SMALLEST_WINDOW } from './receive-window.ts';
import { WindowBudget } from './window-budget.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A sender that always uses its window up, and a reader that takes half a window every `interval` milliseconds. */
class Transfer {
  readonly window: ReceiveWindow;
  readonly roundTrip: { shortest: number | undefined; queueing: boolean } = { shortest: undefined, queueing: false };
  #now = 1_000;
  /** What is sent and not read. */
  #held = 0;
  #credit = INITIAL_WINDOW;

  constructor(budget = new WindowBudget(100 * MIB)) {
    this.window = new ReceiveWindow(budget, this.roundTrip);
  }

  /** Reads half a window; returns the size that the window has then. */
  step(interval: number): number {
    assert.equal(this.window.receive(this.#credit), true);
    this.#held += this.#credit;
    this.#credit = 0;
    this.#now += interval;
    const taken = Math.min(this.#held, this.window.size / 2);
    this.#held -= taken;
    this.#credit = this.window.consume(taken, this.#now);
    assert.ok(this.#held + this.#credit <= this.window.size, 'never more in flight than the window');
    assert.equal(this.window.receive(this.#credit + 1), false, 'and the sender is held to it');
    return this.window.size;
  }
}

describe('ReceiveWindow', () => {
  it('grants what was read once that is half a window', () => {
    const window = new ReceiveWindow(new WindowBudget(0), { shortest: undefined, queueing: false });
    assert.equal(window.receive(INITIAL_WINDOW), true);
    assert.equal(window.receive(1), false);
    assert.equal(window.consume(INITIAL_WINDOW / 2 - 1, 0), 0);
    assert.equal(window.receive(1), false);
    assert.equal(window.consume(1, 0), INITIAL_WINDOW / 2);
    assert.equal(window.receive(INITIAL_WINDOW / 2), true);
    assert.equal(window.receive(1), false);
  });

  it('doubles up to 16 MiB while half of it is read within two round trips', () => {
    const transfer = new Transfer();
    assert.equal(transfer.step(10), INITIAL_WINDOW, 'the round trip is not known yet');
    transfer.roundTrip.shortest = 100;
    const sizes = Array.from({ length: 8 }, () => transfer.step(190) / MIB);
    assert.deepEqual(sizes, [0.5, 1, 2, 4, 8, 16, 16, 16]);
    assert.equal(transfer.window.size, LARGEST_WINDOW);
  });

  it('stays as it is where it is large enough, and shrinks where it is not used', () => {
    const transfer = new Transfer();
    transfer.roundTrip.shortest = 100;
    for (let count = 0; count < 4; count++) transfer.step(190);
    assert.equal(transfer.window.size, 2 * MIB);
    assert.equal(transfer.step(1_000), 2 * MIB);
    assert.deepEqual(
      [transfer.step(2_000), transfer.step(2_000), transfer.step(2_000), transfer.step(2_000)],
      [MIB, 512 * KIB, 256 * KIB, 256 * KIB],
    );
  });

  it('shrinks when data queues on the way, below its initial size too', () => {
    const budget = new WindowBudget(MIB);
    const transfer = new Transfer(budget);
    transfer.roundTrip.shortest = 100;
    for (let count = 0; count < 3; count++) transfer.step(50);
    assert.equal(transfer.window.size, MIB);
    transfer.roundTrip.queueing = true;
    const sizes = Array.from({ length: 7 }, () => transfer.step(50) / KIB);
    assert.deepEqual(sizes, [512, 256, 128, 64, 32, 32, 32]);
    assert.equal(transfer.window.size, SMALLEST_WINDOW);
    transfer.roundTrip.queueing = false;
    assert.deepEqual(
      [transfer.step(1_000), transfer.step(1_000), transfer.step(1_000)],
      [64 * KIB, 128 * KIB, 256 * KIB],
    );
    assert.equal(transfer.step(1_000), 256 * KIB, 'what was not queued needs no more');
    assert.equal(budget.taken, 0);
  });

  it('takes from a budget, and gives back once', () => {
    const all = new WindowBudget(800 * KIB);
    const [one, two] = [new WindowBudget(10 * MIB, all), new WindowBudget(300 * KIB, all)];
    const [large, small] = [new Transfer(one), new Transfer(two)];
    for (const transfer of [large, small]) {
      transfer.roundTrip.shortest = 100;
      for (let count = 0; count < 6; count++) transfer.step(50);
    }
    assert.deepEqual([large.window.size, small.window.size], [MIB, 256 * KIB]);
    assert.deepEqual([one.taken, two.taken, all.taken], [768 * KIB, 0, 768 * KIB]);
    large.window.release();
    large.window.release();
    assert.deepEqual([one.taken, all.taken], [0, 0]);
    for (let count = 0; count < 3; count++) small.step(50);
    assert.deepEqual([small.window.size, two.taken, all.taken], [512 * KIB, 256 * KIB, 256 * KIB]);
  });
});
