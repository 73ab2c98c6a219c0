import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteRate } from './byte-rate.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';

const MIB = 1024 * 1024;

/** A sender that sends as fast as it may, in so many streams, and what its receiver reads of it at a rate. */
async function blast(t: TestContext, streams: number, rate?: ByteRate) {
  const [near, far] = duplexPair();
  const [sender, receiver] = [
    new YamuxSession(near, { role: 'client' }),
    new YamuxSession(far, { role: 'server', ...(rate === undefined ? {} : { rate }) }),
  ];
  t.after(() => {
    sender.close();
    receiver.close();
  });
  const read = new Map<number, number>();
  let waited = 0;
  receiver.on('throttled', (milliseconds) => {
    waited += milliseconds;
  });
  receiver.on('stream', (stream) => {
    stream.on('data', (piece: Buffer) => read.set(stream.id, (read.get(stream.id) ?? 0) + piece.length));
  });
  const began = performance.now();
  for (let count = 0; count < streams; count++) send(sender.open());
  const total = () => [...read.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { sender, receiver, read, total, began, waited: () => waited };
}

function send(stream: YamuxStream): void {
  const piece = Buffer.alloc(64 * 1024);
  const write = () => {
    while (!stream.destroyed && stream.write(piece));
  };
  stream.on('drain', write);
  write();
}

describe('a rate', () => {
  it('is what a sender gets through however many streams it uses, and they have equal shares of it', async (t) => {
    const rate = new ByteRate(MIB);
    const { read, total, began, waited, sender } = await blast(t, 8, rate);
    while (total() < 3 * MIB) await sleep(5);
    const seconds = (performance.now() - began) / 1000;
    // A second's worth may pass at once.
    assert.ok(total() <= (1 + seconds) * MIB + 64 * 1024, `${total()} bytes in ${seconds} s`);
    assert.ok(waited() > 1_000, `waited for ${waited()} ms`);
    const shares = [...read.values()];
    assert.equal(shares.length, 8);
    assert.ok(Math.min(...shares) > Math.max(...shares) / 2, String(shares));
    // What waits is in the streams' windows; the connection itself does not.
    await sender.ping();
  });

  it('does not slow those down that have another, or none', async (t) => {
    const slow = await blast(t, 4, new ByteRate(MIB));
    while (slow.waited() === 0) await sleep(5);
    const before = slow.total();
    const fast = await blast(t, 4);
    while (fast.total() < 64 * MIB) await sleep(5);
    const seconds = (performance.now() - fast.began) / 1000;
    assert.ok(slow.total() - before <= seconds * MIB + 128 * 1024);
    assert.equal(fast.waited(), 0);
  });

  it('is shared by sessions that have the same one', async (t) => {
    const rate = new ByteRate(MIB);
    const [one, two] = [await blast(t, 1, rate), await blast(t, 1, rate)];
    const total = () => one.total() + two.total();
    while (total() < 2 * MIB) await sleep(5);
    const seconds = (performance.now() - one.began) / 1000;
    assert.ok(total() <= (1 + seconds) * MIB + 64 * 1024, `${total()} bytes in ${seconds} s`);
  });

  it('lets everything pass in the end, in order, and ends behind it', async (t) => {
    const [near, far] = duplexPair();
    const sender = new YamuxSession(near, { role: 'client' });
    const receiver = new YamuxSession(far, { role: 'server', rate: new ByteRate(64 * 1024) });
    t.after(() => sender.close());
    const coming = once(receiver, 'stream') as Promise<[YamuxStream]>;
    const sent = Buffer.from(Array.from({ length: 160 * 1024 }, (_, at) => at % 251));
    sender.open().end(sent);
    const [stream] = await coming;
    assert.deepEqual(Buffer.concat(await stream.toArray()), sent);
  });
});
