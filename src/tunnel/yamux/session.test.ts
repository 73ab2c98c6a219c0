import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RawPeer, rawFrame } from '../../../testbed/yamux-peer/raw-peer.ts';
import type { SessionConfig } from './config.ts';
import { INITIAL_WINDOW } from './frame.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';

const [DATA, WINDOW, PING, GO_AWAY] = [0, 1, 2, 3];
const [SYN, ACK, FIN, RST] = [1, 2, 4, 8];
const PROTOCOL_ERROR = '00 03 0000 00000000 00000001';

async function connect(t: TestContext, config: Partial<SessionConfig> = {}) {
  const peer = await RawPeer.start();
  const session = new YamuxSession(peer.socket, { role: 'server', ...config });
  const streams: YamuxStream[] = [];
  const reasons: string[] = [];
  session.on('stream', (stream) => streams.push(stream));
  session.on('close', ({ message }) => reasons.push(message));
  t.after(() => {
    session.close();
    peer.close();
  });
  /** Sends frames and returns what the session says to them. */
  async function say(...frames: readonly Buffer[]): Promise<string[]> {
    await peer.send(...frames);
    return await heard();
  }
  /** What the session says until it has answered two pings: a reader's part comes a turn after the bytes' own. */
  async function heard(): Promise<string[]> {
    const lines: string[] = [];
    for (const value of [0xfffe, 0xffff]) {
      await peer.send(rawFrame(PING, SYN, 0, value));
      const answer = `00 02 0002 00000000 0000${value.toString(16)}`;
      while (!lines.includes(answer) && !peer.ended) {
        await sleep(1);
        lines.push(...peer.takeHex());
      }
    }
    // Its first ping makes us ping as well.
    return lines.filter((line) => !/^00 02 0002 00000000 0000fff[ef]$|^00 02 0001 00000000 00000001$/.test(line));
  }
  async function accept(id = 1): Promise<YamuxStream> {
    await say(rawFrame(WINDOW, SYN, id, 0));
    return streams.at(-1) as YamuxStream;
  }
  return { peer, session, streams, reasons, say, heard, accept };
}

describe('a stream that the peer opens', () => {
  it('is accepted once, however it is opened', async (t) => {
    const { say, streams } = await connect(t);
    assert.deepEqual(await say(rawFrame(WINDOW, SYN, 1, 0)), ['00 01 0002 00000001 00000000']);
    assert.deepEqual(await say(rawFrame(DATA, SYN, 3, Buffer.from('hi'))), ['00 01 0002 00000003 00000000']);
    assert.deepEqual(await once(streams[1] as YamuxStream, 'data'), [Buffer.from('hi')]);
    assert.deepEqual(await say(rawFrame(DATA, SYN | FIN, 5, Buffer.from('all'))), ['00 01 0002 00000005 00000000']);
    assert.deepEqual(await streams[2]?.toArray(), [Buffer.from('all')]);
    streams[1]?.write('x');
    assert.deepEqual(await say(), ['00 00 0000 00000003 00000001']);
  });

  it('may come with a larger window', async (t) => {
    const { say, streams, session } = await connect(t);
    await say(rawFrame(WINDOW, SYN, 1, 1000));
    const before = session.counts.bytesOut;
    streams[0]?.write(Buffer.alloc(2 * INITIAL_WINDOW));
    const frames = await say();
    const sent = session.counts.bytesOut - before - 12 * (frames.length + 2);
    assert.equal(sent, INITIAL_WINDOW + 1000);
  });

  it('is reset when nobody listens', async (t) => {
    const { say, session } = await connect(t);
    session.removeAllListeners('stream');
    assert.deepEqual(await say(rawFrame(WINDOW, SYN, 1, 0)), [
      '00 01 0002 00000001 00000000',
      '00 01 0008 00000001 00000000',
    ]);
    assert.equal(session.streamCount, 0);
  });

  it('is reset where there are too many, and the others live', async (t) => {
    const { say, session, streams } = await connect(t, { maxStreams: 2 });
    const opened = await say(...[1, 3, 5].map((id) => rawFrame(WINDOW, SYN, id, 0)));
    assert.equal(opened.at(-1), '00 01 0008 00000005 00000000');
    assert.deepEqual(await say(rawFrame(DATA, SYN, 7, Buffer.from('lost'))), ['00 01 0008 00000007 00000000']);
    assert.deepEqual([session.counts.streamsRefused, session.counts.bytesDropped], [2, 4]);
    session.open();
    session.open();
    assert.throws(() => session.open(), /too many streams are open/);
    streams[0]?.destroy();
    assert.ok((await say(rawFrame(WINDOW, SYN, 9, 0))).includes('00 01 0002 00000009 00000000'));
    assert.equal(session.streamCount, 4);
  });
});

describe('a stream of ours', () => {
  it('waits for the peer only so long, and is reset then', async (t) => {
    const { session, heard } = await connect(t, { openTimeout: 100, maxPendingOpens: 2 });
    const [ended, open] = [session.open(), session.open()];
    ended.end();
    assert.throws(() => session.open(), /too many streams wait to be accepted/);
    const [[one], [two]] = (await Promise.all([once(ended, 'error'), once(open, 'error')])) as [[Error], [Error]];
    assert.equal(one.message, 'the peer did not accept the stream within 0.1 s');
    assert.equal(two.message, one.message);
    assert.deepEqual((await heard()).sort(), [
      '00 01 0001 00000002 00000000',
      '00 01 0001 00000004 00000000',
      '00 01 0004 00000002 00000000',
      '00 01 0008 00000002 00000000',
      '00 01 0008 00000004 00000000',
    ]);
    assert.equal(session.streamCount, 0);
    session.open();
  });

  it('is accepted by whatever the peer says on it, and refused by RST', async (t) => {
    const { session, say } = await connect(t);
    const streams = [session.open(), session.open(), session.open(), session.open()] as const;
    const [ack, credit, data, refused] = streams;
    assert.ok(streams.every(({ pending }) => pending));
    const failed = once(refused, 'error');
    await say(
      rawFrame(WINDOW, ACK, 2, 0),
      rawFrame(WINDOW, 0, 4, 1),
      rawFrame(DATA, ACK, 6, Buffer.from('x')),
      rawFrame(WINDOW, RST, 8, 0),
    );
    assert.ok(![ack, credit, data].some(({ pending }) => pending));
    assert.equal((await failed)[0].message, 'the peer reset the stream');
    assert.equal(session.streamCount, 3);
  });

  it('sends what the window allows and goes on when there is more', async (t) => {
    const { peer, session, heard, say } = await connect(t);
    const stream = session.open();
    const bytes = Buffer.alloc(INITIAL_WINDOW + 1000, 'y');
    stream.write(bytes);
    await heard();
    const sent = () => session.counts.bytesOut;
    const before = sent();
    assert.deepEqual(await say(rawFrame(WINDOW, ACK, 2, 600)), ['00 00 0000 00000002 00000258']);
    assert.deepEqual(await say(rawFrame(WINDOW, 0, 2, 0)), []);
    assert.deepEqual(await say(rawFrame(WINDOW, 0, 2, 1000)), ['00 00 0000 00000002 00000190']);
    assert.equal(sent() - before, 12 + 600 + 12 + 400 + 6 * 12);
    assert.equal(peer.ended, false);
  });
});

describe('the end of a stream', () => {
  it('is one FIN, and the other half goes on', async (t) => {
    const { accept, say, session } = await connect(t);
    const stream = await accept();
    stream.end('bye');
    assert.deepEqual(await say(), ['00 00 0000 00000001 00000003', '00 01 0004 00000001 00000000']);
    const reading = stream.toArray();
    assert.deepEqual(await say(rawFrame(DATA, 0, 1, Buffer.from('more'))), []);
    assert.deepEqual(await say(rawFrame(DATA, FIN, 1, Buffer.from('.'))), []);
    assert.equal(Buffer.concat(await reading).toString(), 'more.');
    stream.end();
    stream.destroy();
    assert.deepEqual(await say(), []);
    assert.equal(session.streamCount, 0);
  });

  it('is followed by no window update, neither the peer’s FIN nor RST', async (t) => {
    const { accept, say } = await connect(t);
    const window = Buffer.alloc(INITIAL_WINDOW);
    const ended = await accept(1);
    await say(rawFrame(DATA, 0, 1, window), rawFrame(WINDOW, FIN, 1, 0));
    ended.resume();
    assert.deepEqual(await say(), []);
    assert.equal(ended.readableEnded, true);
    const destroyed = await accept(3);
    await say(rawFrame(DATA, 0, 3, window.subarray(1)));
    destroyed.resume().destroy();
    assert.deepEqual(await say(), ['00 01 0008 00000003 00000000']);
    const reset = await accept(5);
    await say(rawFrame(DATA, 0, 5, window), rawFrame(WINDOW, RST, 5, 0));
    reset.resume();
    assert.deepEqual(await say(), []);
  });

  it('is not waited for longer than closeTimeout, while nothing comes', async (t) => {
    const { accept, say, session } = await connect(t, { closeTimeout: 1_500 });
    const stream = await accept();
    stream.resume().end();
    for (let count = 0; count < 3; count++) {
      await sleep(600);
      await say(rawFrame(DATA, 0, 1, Buffer.from('x')));
    }
    assert.equal(stream.destroyed, false);
    const [error] = (await once(stream, 'error')) as [Error];
    assert.equal(error.message, 'the peer did not end its half of the stream within 1.5 s');
    assert.deepEqual(await say(), ['00 01 0008 00000001 00000000']);
    const unread = await accept(3);
    unread.end();
    await say(rawFrame(DATA, FIN, 3, Buffer.from('x')));
    const [other] = (await once(unread, 'error')) as [Error];
    assert.equal(other.message, 'nobody read the rest of the stream within 1.5 s');
    assert.equal(session.streamCount, 0);
  });

  it('does not harm when data comes behind it, or anything for a stream that is over', async (t) => {
    const { accept, say, session } = await connect(t);
    const stream = await accept();
    const late = rawFrame(DATA, 0, 1, Buffer.alloc(INITIAL_WINDOW + 1));
    await say(rawFrame(DATA, FIN, 1, Buffer.from('x')), late);
    assert.deepEqual(await stream.toArray(), [Buffer.from('x')]);
    stream.destroy();
    assert.deepEqual(await say(), ['00 01 0008 00000001 00000000']);
    const frames = [
      late,
      rawFrame(WINDOW, FIN, 1, 5),
      rawFrame(WINDOW, RST, 1, 0),
      rawFrame(DATA, FIN, 77, Buffer.alloc(9)),
    ];
    assert.deepEqual(await say(...frames), []);
    assert.equal(session.counts.bytesDropped, 2 * (INITIAL_WINDOW + 1) + 9);
  });

  it('by destroy is RST while a half is open, and nothing after', async (t) => {
    const { peer, session, accept, say, heard } = await connect(t);
    const reset = (id: number) => `00 01 0008 0000000${id} 00000000`;
    const failed = new Error('enough');
    const pending = session.open();
    pending.write('unsent');
    pending.destroy(failed);
    assert.deepEqual((await heard()).slice(-1), [reset(2)]);
    const open = await accept(1);
    open.write(Buffer.alloc(INITIAL_WINDOW * 2));
    await heard();
    open.destroy(failed);
    assert.deepEqual(await heard(), [reset(1)]);
    const localEnded = await accept(3);
    localEnded.end();
    await heard();
    localEnded.destroy();
    assert.deepEqual(await heard(), [reset(3)]);
    const remoteEnded = await accept(5);
    await say(rawFrame(DATA, FIN, 5, Buffer.from('unread')));
    remoteEnded.destroy();
    assert.deepEqual(await heard(), [reset(5)]);
    const both = await accept(7);
    both.end();
    await say(rawFrame(DATA, FIN, 7, Buffer.from('unread')));
    both.destroy();
    assert.deepEqual(await heard(), []);
    const within = await accept(9);
    const frame = rawFrame(DATA, FIN, 9, Buffer.alloc(1000));
    await peer.send(frame.subarray(0, 500));
    await once(within, 'readable');
    within.destroy();
    assert.deepEqual(await say(frame.subarray(500)), [reset(9)]);
    assert.equal(session.streamCount, 0);
  });
});

describe('a violation', () => {
  const violations: readonly [string, readonly Buffer[], RegExp][] = [
    ['another version', [Buffer.from('010100010000000300000000', 'hex')], /yamux version 1 is not known/],
    ['an unknown type', [Buffer.from('000400000000000000000000', 'hex')], /frame type 4 is not known/],
    ['data without a stream', [rawFrame(DATA, 0, 0, Buffer.from('x'))], /stream 0 carries no data/],
    ['credit without a stream', [rawFrame(WINDOW, SYN, 0, 0)], /stream 0 carries no data/],
    ['an id of ours', [rawFrame(WINDOW, SYN, 4, 0)], /opened with an id of ours/],
    ['an id in use', [rawFrame(WINDOW, SYN, 1, 0)], /opened twice/],
    ['a frame larger than the window', [rawFrame(DATA, 0, 1, INITIAL_WINDOW + 1)], /more data came than the window/],
    [
      'frames larger than the window',
      [rawFrame(DATA, 0, 1, Buffer.alloc(INITIAL_WINDOW)), rawFrame(DATA, 0, 1, Buffer.alloc(1))],
      /more data came than the window/,
    ],
    ['a second FIN', [rawFrame(WINDOW, FIN, 1, 0), rawFrame(WINDOW, FIN, 1, 0)], /ended twice/],
    ['a second FIN with data', [rawFrame(WINDOW, FIN, 1, 0), rawFrame(DATA, FIN, 1, Buffer.from('x'))], /ended twice/],
    ['a window without bounds', [rawFrame(WINDOW, 0, 1, 0xffff_ffff)], /beyond 4 GiB/],
  ];
  for (const [name, frames, reason] of violations) {
    it(`ends the session, with a word to the peer: ${name}`, async (t) => {
      const { accept, peer, reasons, session } = await connect(t);
      const stream = await accept();
      const failed = once(stream, 'error');
      peer.send(...frames, rawFrame(WINDOW, SYN, 9, 0)).catch(() => undefined);
      const [error] = (await failed) as [Error];
      assert.match(error.message, reason);
      assert.deepEqual(reasons, [error.message]);
      assert.deepEqual([session.closed, session.streamCount], [true, 0]);
      while (!peer.ended) await sleep(1);
      assert.deepEqual(peer.takeHex(), [PROTOCOL_ERROR]);
    });
  }
});

describe('pings', () => {
  it('are answered by the responder, except where a peer does not wait for the answers', async (t) => {
    const put: (() => void)[] = [];
    const { peer, session } = await connect(t, { answerPing: (reply) => put.push(reply) });
    await peer.send(...Array.from({ length: 20 }, (_, value) => rawFrame(PING, SYN, 0, value)));
    while (peer.frames.length < 5) await sleep(1);
    assert.deepEqual(
      peer.frames
        .splice(0)
        .slice(1)
        .map(({ length }) => length),
      [16, 17, 18, 19],
    );
    assert.equal(put.length, 16);
    put[0]?.();
    await peer.send(rawFrame(PING, SYN, 0, 20));
    while (peer.frames.length < 1) await sleep(1);
    assert.deepEqual(
      peer.frames.splice(0).map(({ length, flags }) => [length, flags]),
      [[0, ACK]],
    );
    assert.equal(put.length, 17);
    session.close();
    put[1]?.();
    while (!peer.ended) await sleep(1);
    assert.equal(peer.frames.length, 0);
  });

  it('measure the round trip, one that waits included', async (t) => {
    const { peer, session } = await connect(t);
    assert.equal(session.roundTrip, undefined);
    const first = session.ping();
    while (peer.frames.length < 1) await sleep(1);
    await peer.send(rawFrame(PING, ACK, 0, 999), rawFrame(PING, ACK, 0, 1), rawFrame(PING, ACK, 0, 1));
    const took = await first;
    assert.equal(session.roundTrip, took);
    const second = session.ping();
    await sleep(took + 50);
    assert.ok((session.roundTrip ?? 0) >= took + 48);
    const silent = session.silence;
    assert.ok(silent >= 48, `${silent} ms`);
    session.close(new Error('enough'));
    await assert.rejects(second, /enough/);
    await assert.rejects(session.ping(), /enough/);
  });

  it('are answered at once while data queues on the way, which is measured until it is over', async (t) => {
    let put = 0;
    const { peer, session } = await connect(t, { answerPing: () => put++ });
    const ask = rawFrame(PING, SYN, 0, 7);
    const answers = async () => {
      while (peer.frames.length < 1) await sleep(1);
      return peer.takeHex();
    };
    await peer.send(ask);
    assert.deepEqual(await answers(), ['00 02 0001 00000000 00000001']);
    await peer.send(rawFrame(PING, ACK, 0, 1));
    const late = session.ping();
    assert.deepEqual(await answers(), ['00 02 0001 00000000 00000002']);
    await sleep(1_000);
    assert.equal(put, 1);
    await peer.send(ask);
    assert.deepEqual(await answers(), ['00 02 0002 00000000 00000007']);
    await peer.send(rawFrame(PING, ACK, 0, 2));
    assert.ok((await late) >= 1_000);
    await peer.send(ask);
    assert.deepEqual(await answers(), ['00 02 0001 00000000 00000003', '00 02 0002 00000000 00000007']);
    await peer.send(rawFrame(PING, ACK, 0, 3), ask);
    while (put < 2) await sleep(1);
    assert.deepEqual(peer.takeHex(), []);
  });

  it('are answered at once, too, where even the first measurement has to queue', async (t) => {
    let put = 0;
    const { peer, session } = await connect(t, { answerPing: () => put++ });
    session.ping().catch(() => undefined);
    await sleep(1_400);
    await peer.send(rawFrame(PING, SYN, 0, 7));
    while (peer.frames.length < 2) await sleep(1);
    assert.deepEqual(peer.takeHex(), ['00 02 0001 00000000 00000001', '00 02 0002 00000000 00000007']);
    assert.equal(put, 0);
  });

  it('end the session of a peer that asks and does not read', async (t) => {
    const { peer, reasons } = await connect(t);
    peer.pause();
    const pings = Buffer.concat(Array.from({ length: 50_000 }, (_, value) => rawFrame(PING, SYN, 0, value)));
    for (let count = 0; count < 100 && reasons.length === 0; count++) {
      await Promise.race([peer.send(pings), sleep(500)]);
    }
    assert.deepEqual(reasons, ['the peer asks and does not read the answers']);
  });
});

describe('GOAWAY', () => {
  it('0 means no new streams; those that are open go on', async (t) => {
    const { accept, say, session } = await connect(t);
    const stream = await accept();
    const told = once(session, 'goAway');
    await say(rawFrame(GO_AWAY, 0, 0, 0));
    await told;
    assert.throws(() => session.open(), /the peer accepts no more streams/);
    stream.write('on');
    assert.deepEqual(await say(), ['00 00 0000 00000001 00000002']);
    session.goAway();
    assert.deepEqual(await say(), ['00 03 0000 00000000 00000000']);
    assert.equal(session.closed, false);
  });

  for (const reason of [1, 2, 77]) {
    it(`${reason} is the end`, async (t) => {
      const { accept, peer, reasons } = await connect(t);
      const failed = once(await accept(), 'error');
      await peer.send(rawFrame(GO_AWAY, 0, 0, reason));
      await failed;
      assert.deepEqual(reasons, [`the peer gave the session up (reason ${reason})`]);
      while (!peer.ended) await sleep(1);
      assert.deepEqual(peer.takeHex(), []);
    });
  }
});

describe('the end of a session', () => {
  it('has the reason of the connection', async (t) => {
    const one = await connect(t);
    await one.peer.send(rawFrame(DATA, 0, 77, 100));
    one.peer.close();
    await once(one.session, 'close');
    assert.deepEqual(one.reasons, ['the peer closed the connection in the middle of a frame']);
    const two = await connect(t);
    two.peer.socket.destroy(new Error('cable cut'));
    await once(two.session, 'close');
    assert.deepEqual(two.reasons, ['cable cut']);
    assert.throws(() => two.session.open(), /cable cut/);
  });

  it('leaves no timer behind, whatever the streams were at', async (t) => {
    const timers = new Set<unknown>();
    const { setTimeout: set, clearTimeout: clear } = globalThis;
    t.mock.method(globalThis, 'setTimeout', (...args: Parameters<typeof set>) => {
      const timer = set(...args);
      timers.add(timer);
      return timer;
    });
    t.mock.method(globalThis, 'clearTimeout', (timer: NodeJS.Timeout | undefined) => {
      timers.delete(timer);
      clear(timer);
    });
    const { accept, session } = await connect(t);
    session.open();
    session.open().end();
    (await accept(1)).end();
    session.open().destroy();
    assert.equal(timers.size, 4);
    session.close();
    assert.equal(timers.size, 0);
  });

  it('refuses a configuration that cannot work', async () => {
    const peer = await RawPeer.start();
    assert.throws(() => new YamuxSession(peer.socket, { role: 'server', maxStreams: 0 }), RangeError);
    peer.socket.destroy();
    peer.close();
  });
});
