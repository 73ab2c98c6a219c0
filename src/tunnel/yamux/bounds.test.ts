// What a peer can make us hold.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RawPeer, rawFrame } from '../../../testbed/yamux-peer/raw-peer.ts';
import { INITIAL_WINDOW } from './frame.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';
import { WindowBudget } from './window-budget.ts';

const MIB = 1024 * 1024;

/** Two sessions with one another: what `blast` writes without end arrives at `streams`. */
async function connect(t: TestContext, budget: WindowBudget) {
  const { socket, own } = await RawPeer.start();
  const sender = new YamuxSession(own, { role: 'client' });
  const receiver = new YamuxSession(socket, { role: 'server', budget });
  const streams: YamuxStream[] = [];
  receiver.on('stream', (stream) => streams.push(stream));
  t.after(() => {
    sender.close();
    receiver.close();
  });
  const piece = Buffer.alloc(64 * 1024);
  function blast(): void {
    const stream = sender.open();
    const write = () => {
      while (stream.write(piece)) if (stream.destroyed) return;
    };
    stream.on('drain', write);
    write();
  }
  return { sender, receiver, streams, blast };
}

async function untilStill(count: () => number): Promise<number> {
  // Many short looks: one long pause may be the machine's, in which nothing else went on either.
  for (let before = -1, still = 0; still < 20; await sleep(10)) {
    still = before === count() ? still + 1 : 0;
    before = count();
  }
  return count();
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes in use. Garbage may be swept a while after it was collected, so this waits for less than `limit`, but not long. */
async function memory(limit: number): Promise<number> {
  for (const deadline = performance.now() + 5_000; ; await sleep(50)) {
    collectGarbage();
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    if (arrayBuffers + heapUsed < limit || performance.now() > deadline) return arrayBuffers + heapUsed;
  }
}

describe('streams that nobody reads', () => {
  for (const count of [16, 200]) {
    it(`${count} at once hold their windows and no more`, async (t) => {
      const budget = new WindowBudget(32 * MIB);
      const { blast, receiver, streams } = await connect(t, budget);
      const before = await memory(Number.POSITIVE_INFINITY);
      for (let opened = 0; opened < count; opened++) blast();
      const came = await untilStill(() => receiver.counts.bytesIn);
      assert.equal(streams.length, count);
      assert.ok(came >= count * INITIAL_WINDOW && came < count * (INITIAL_WINDOW + 1024), `${came} bytes`);
      // The sender of this test holds up to 128 KiB a stream besides.
      const limit = count * 2.5 * INITIAL_WINDOW + 8 * MIB;
      const held = (await memory(before + limit)) - before;
      assert.ok(held < limit, `${held / MIB} MiB`);
      assert.equal(budget.taken, 0);
    });
  }

  it('hold no more than the budget beyond, after they were read quickly', async (t) => {
    const budget = new WindowBudget(8 * MIB);
    const { blast, receiver, streams } = await connect(t, budget);
    for (let opened = 0; opened < 16; opened++) blast();
    while (streams.length < 16) await sleep(1);
    let read = 0;
    for (const stream of streams) {
      stream.on('data', (piece: Buffer) => {
        read += piece.length;
      });
    }
    while (budget.taken < 4 * MIB) await sleep(1);
    for (const stream of streams) stream.pause();
    await untilStill(() => receiver.counts.bytesIn);
    const held = streams.reduce((sum, stream) => sum + stream.readableLength, 0);
    const came = receiver.counts.bytesIn;
    assert.ok(came - read <= 16 * INITIAL_WINDOW + budget.taken + came * 0.001 + held, `${came - read} unread`);
    assert.ok(budget.taken <= 8 * MIB);
    for (const stream of streams) stream.destroy();
    assert.equal(budget.taken, 0, 'and what was taken is given back');
  });

  it('hold about as much memory as bytes, however small the pieces and whatever they come with', async (t) => {
    const peer = await RawPeer.start();
    const session = new YamuxSession(peer.socket, { role: 'server' });
    t.after(() => {
      session.close();
      peer.close();
    });
    const streams: YamuxStream[] = [];
    session.on('stream', (stream) => streams.push(stream));
    await peer.send(rawFrame(1, 1, 1, 0), rawFrame(1, 1, 3, 0));
    while (streams.length < 2) await sleep(1);
    streams[1]?.resume();
    const before = await memory(Number.POSITIVE_INFINITY);
    // Each chunk brings a byte that is kept and many that are not.
    const sent = Buffer.alloc(2_000);
    for (let at = 0; at < sent.length; at++) {
      sent[at] = at % 251;
      await peer.send(rawFrame(0, 0, 1, sent.subarray(at, at + 1)), rawFrame(0, 0, 3, Buffer.alloc(30_000)));
    }
    while (session.counts.bytesIn < 2_000 * 30_025 + 24) await sleep(1);
    const held = (await memory(before + 4 * MIB)) - before;
    assert.ok(held < 4 * MIB, `${held / MIB} MiB`);
    const read: Buffer[] = [];
    streams[0]?.on('data', (piece: Buffer) => read.push(piece));
    while (Buffer.concat(read).length < sent.length) await sleep(1);
    assert.deepEqual(Buffer.concat(read), sent);
  });
});

describe('a peer that does not read', () => {
  it('makes the connection hold a bounded part, and the writers wait', async (t) => {
    const peer = await RawPeer.start();
    peer.pause();
    const session = new YamuxSession(peer.socket, { role: 'server' });
    t.after(() => {
      session.close();
      peer.close();
    });
    for (let opened = 0; opened < 100; opened++) session.open().write(Buffer.alloc(INITIAL_WINDOW));
    await untilStill(() => session.counts.bytesOut);
    assert.ok(peer.socket.writableLength <= (512 + 64 + 2) * 1024, `${peer.socket.writableLength} bytes`);
    assert.ok(peer.socket.writableLength > 0);
  });
});
