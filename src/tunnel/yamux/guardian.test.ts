// What Guardian says, byte by byte, and what it must hear.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RawPeer } from '../../../testbed/yamux-peer/raw-peer.ts';
import { PingWheel } from '../ping-wheel.ts';
import type { SessionConfig } from './config.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';

async function connect(t: TestContext, config: Partial<SessionConfig> = {}) {
  const guardian = await RawPeer.start();
  const session = new YamuxSession(guardian.socket, { role: 'server', ...config });
  const streams: YamuxStream[] = [];
  session.on('stream', (stream) => streams.push(stream));
  t.after(() => {
    session.close();
    guardian.close();
  });
  return { guardian, session, streams };
}

/** All that the session has to say to what came before. */
async function heard(guardian: RawPeer): Promise<string[]> {
  // Twice: what a reader causes comes a turn after what the bytes themselves cause.
  return [...(await untilAnswered(guardian)), ...(await untilAnswered(guardian))];
}

async function untilAnswered(guardian: RawPeer): Promise<string[]> {
  await guardian.sendHex('00 02 0001 00000000 deadbeef');
  const lines: string[] = [];
  while (lines.at(-1) !== '00 02 0002 00000000 deadbeef') {
    await sleep(1);
    lines.push(...guardian.takeHex());
  }
  // Its first ping makes us ping as well.
  return lines.slice(0, -1).filter((line) => line !== '00 02 0001 00000000 00000001');
}

describe("Guardian's conversation, byte by byte", () => {
  it('a stream of a log sender: opened, answered, ended by both', async (t) => {
    const { guardian, streams } = await connect(t);
    await guardian.sendHex('00 01 0001 00000001 00000000');
    assert.deepEqual(await heard(guardian), ['00 01 0002 00000001 00000000']);
    const [stream] = streams;
    assert.equal(stream?.id, 1);
    // Header and body are two writes there, so they come in two chunks.
    await guardian.sendHex('00 00 0000 00000001 00000005');
    await sleep(20);
    await guardian.send(Buffer.from('hello'));
    assert.deepEqual(await once(stream, 'data'), [Buffer.from('hello')]);
    stream.write('abc');
    assert.deepEqual(await heard(guardian), ['00 00 0000 00000001 00000003']);
    await guardian.sendHex('00 01 0004 00000001 00000000');
    await once(stream, 'end');
    assert.deepEqual(await heard(guardian), [], 'our half is open');
    stream.end();
    await once(stream, 'close');
    assert.deepEqual(await heard(guardian), ['00 01 0004 00000001 00000000']);
  });

  it('data comes before our ACK is out, and an end right behind it', async (t) => {
    const { guardian, session, streams } = await connect(t);
    await guardian.sendHex(
      '00 01 0001 00000001 00000000 00 00 0000 00000001 00000002 6869 00 01 0004 00000001 00000000',
    );
    assert.deepEqual(await heard(guardian), ['00 01 0002 00000001 00000000']);
    const [stream] = streams;
    assert.deepEqual(await stream?.toArray(), [Buffer.from('hi')]);
    stream?.end();
    assert.deepEqual(await heard(guardian), ['00 01 0004 00000001 00000000']);
    assert.equal(session.streamCount, 0);
  });

  it('a stream of ours: data may go before the ACK comes', async (t) => {
    const { guardian, session } = await connect(t);
    const stream = session.open();
    stream.write('abc');
    assert.deepEqual(await heard(guardian), ['00 01 0001 00000002 00000000', '00 00 0000 00000002 00000003']);
    assert.equal(stream.pending, true);
    await guardian.sendHex('00 01 0002 00000002 00000000');
    await heard(guardian);
    assert.equal(stream.pending, false);
    assert.equal(session.open().id, 4);
  });

  it('half a window read is a window update, less is none', async (t) => {
    const { guardian, streams } = await connect(t);
    await guardian.sendHex('00 01 0001 00000001 00000000 00 00 0000 00000001 0001ffff');
    await guardian.send(Buffer.alloc(0x1_ffff));
    await heard(guardian);
    const [stream] = streams;
    stream?.resume();
    assert.deepEqual(await heard(guardian), []);
    await guardian.sendHex('00 00 0000 00000001 00000001 00');
    const [update] = await heard(guardian);
    assert.equal(update, '00 01 0000 00000001 00020000');
  });

  it('pings 100 ms after each answer: the first is answered at once, then they wait', async (t) => {
    const { guardian } = await connect(t, { answerPing: new PingWheel().responder() });
    const waits: number[] = [];
    for (const value of ['00000000', '00000001', '00000002']) {
      await sleep(100);
      const sent = performance.now();
      await guardian.sendHex(`00 02 0001 00000000 ${value}`);
      while (guardian.frames.length === 0) await sleep(5);
      waits.push(performance.now() - sent);
      const ping = value === '00000000' ? ['00 02 0001 00000000 00000001'] : [];
      assert.deepEqual(guardian.takeHex(), [...ping, `00 02 0002 00000000 ${value}`]);
      await guardian.sendHex('00 02 0002 00000000 00000001');
    }
    const [first = 0, ...later] = waits;
    assert.ok(first < 1_400, `${first} ms`);
    // Ten seconds are what Guardian waits.
    for (const wait of later) assert.ok(wait > 1_500 && wait < 9_000, `${wait} ms`);
  });

  it('answers our pings', async (t) => {
    const { guardian, session } = await connect(t);
    const began = performance.now();
    const ping = session.ping();
    while (guardian.frames.length === 0) await sleep(1);
    assert.deepEqual(guardian.takeHex(), ['00 02 0001 00000000 00000001']);
    await guardian.sendHex('00 02 0002 00000000 00000002 00 02 0002 00000000 00000001');
    const took = await ping;
    assert.ok(took > 0 && took <= performance.now() - began, `${took} ms`);
  });

  it('says nothing when it stops: it closes the connection', async (t) => {
    const { guardian, session } = await connect(t);
    const stream = session.open();
    const gone = once(session, 'close');
    guardian.close();
    const [reason] = (await gone) as [Error];
    assert.match(reason.message, /closed the connection|ECONNRESET/);
    assert.equal(stream.destroyed, true);
  });
});
