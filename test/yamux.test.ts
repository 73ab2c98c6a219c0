// Our yamux against the real hashicorp/yamux, in both roles, by the names of its own tests. Left out are those that are
// about Go itself: TestNonNilInterface, TestMin, TestAsyncSendErr, TestAsyncNotify, TestCancelAccept. TestConst and
// TestEncodeDecode stand beside our code, in frame-reader.test.ts.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionConfig } from '../src/tunnel/yamux/config.ts';
import { YamuxSession } from '../src/tunnel/yamux/session.ts';
import type { YamuxStream } from '../src/tunnel/yamux/stream.ts';
import { YamuxPeer } from '../testbed/yamux-peer/yamux-peer.ts';
import { eventually } from './harness.ts';

const CHUNK = 4016;

/** The peer's pattern: 0, 1, ... 250, 0, 1, ... */
function pattern(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at++) bytes[at] = at % 251;
  return bytes;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function readAll(stream: YamuxStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function nextStream(session: YamuxSession): Promise<YamuxStream> {
  const [stream] = await once(session, 'stream');
  return stream as YamuxStream;
}

/** The count once it has not changed for a while: many short looks, since one pause may be the machine's. */
async function still(count: () => number): Promise<number> {
  for (let before = -1, same = 0; same < 20; await sleep(10)) {
    same = before === count() ? same + 1 : 0;
    before = count();
  }
  return count();
}

for (const theirRole of ['client', 'server'] as const) {
  const ourRole = theirRole === 'client' ? 'server' : 'client';

  async function connect(t: TestContext, flags: readonly string[] = [], config: Partial<SessionConfig> = {}) {
    const peer = await YamuxPeer.start(theirRole, flags);
    const session = new YamuxSession(peer.socket, { role: ourRole, ...config });
    const reasons: Error[] = [];
    session.on('close', (reason) => reasons.push(reason));
    t.after(() => {
      session.close();
      peer.kill();
    });
    return { peer, session, reasons };
  }

  describe(`with hashicorp/yamux as ${theirRole}`, () => {
    it('TestPing', async (t) => {
      const { peer, session } = await connect(t);
      const began = performance.now();
      const took = await session.ping();
      assert.ok(took > 0 && took <= performance.now() - began, `${took} ms`);
      assert.equal(session.roundTrip, took);
      assert.ok((await peer.must('ping')).seconds > 0);
    });

    it('TestPing_Timeout', async (t) => {
      const { peer, session } = await connect(t, ['-write-timeout', '300ms'], { answerPing: () => undefined });
      assert.match((await peer.ask('ping')).error ?? '', /i\/o deadline reached/);
      assert.equal(session.closed, false);
    });

    it('TestCloseBeforeAck', async (t) => {
      const { peer, session } = await connect(t);
      const stream = session.open();
      stream.end();
      assert.equal((await peer.must('accept')).stream, stream.id);
      assert.equal((await peer.must('read', { stream: stream.id, size: 1, chunk: CHUNK })).eof, true);
      await peer.must('close', { stream: stream.id });
      assert.equal((await readAll(stream)).length, 0);
      await eventually(async () => session.streamCount === 0 && (await peer.must('state')).streams === 0);
    });

    it('TestAccept', async (t) => {
      const { peer, session } = await connect(t);
      const ids = theirRole === 'client' ? { theirs: [1, 3], ours: [2, 4] } : { theirs: [2, 4], ours: [1, 3] };
      const accepted: number[] = [];
      session.on('stream', (stream) => accepted.push(stream.id));
      assert.deepEqual([(await peer.must('open')).stream, (await peer.must('open')).stream], ids.theirs);
      await eventually(async () => accepted.length === 2);
      assert.deepEqual(accepted, ids.theirs);
      assert.deepEqual([session.open().id, session.open().id], ids.ours);
      assert.deepEqual([(await peer.must('accept')).stream, (await peer.must('accept')).stream], ids.ours);
    });

    it('TestClose_closeTimeout', async (t) => {
      const theirs = await connect(t, ['-close-timeout', '300ms']);
      const coming = nextStream(theirs.session);
      const { stream } = await theirs.peer.must('open');
      const open = await coming;
      await theirs.peer.must('close', { stream });
      await once(open, 'error');
      assert.equal(open.destroyed, true, 'reset, since we did not end our half');

      const ours = await connect(t, [], { closeTimeout: 300 });
      const left = ours.session.open();
      const failed = once(left, 'error') as Promise<[Error]>;
      left.resume().end();
      await ours.peer.must('accept');
      const [error] = await failed;
      assert.equal(error.message, 'the peer did not end its half of the stream within 0.3 s');
      await eventually(async () => {
        const { error = '' } = await ours.peer.ask('write', { stream: left.id, size: CHUNK, chunk: CHUNK });
        return /connection reset|stream closed/.test(error);
      });
    });

    it('TestSendData_Small', async (t) => {
      const { peer, session } = await connect(t);
      const coming = nextStream(session);
      const { stream } = await peer.must('open');
      const received = readAll(await coming);
      for (let round = 0; round < 100; round++) await peer.must('write', { stream, size: 251, chunk: 251 });
      await peer.must('close', { stream });
      assert.deepEqual(await received, pattern(25_100));
    });

    for (const [name, size] of [
      ['TestSendData_Large', 8 * 1024 * 1024],
      ['TestSendData_VeryLarge', 64 * 1024 * 1024],
    ] as const) {
      it(name, async (t) => {
        const { peer, session } = await connect(t);
        const expected = sha256(pattern(size));
        const out = session.open();
        await peer.must('accept');
        const reading = peer.must('read', { stream: out.id, size: size + 1, chunk: 32 * 1024 });
        out.end(pattern(size));
        const read = await reading;
        assert.deepEqual([read.size, read.sha256, read.eof], [size, expected, true]);

        const coming = nextStream(session);
        const { stream } = await peer.must('open');
        const received = (async () => {
          const hash = createHash('sha256');
          for await (const part of await coming) hash.update(part as Buffer);
          return hash.digest('hex');
        })();
        await peer.must('write', { stream, size, chunk: 251 * 128 });
        await peer.must('close', { stream });
        assert.equal(await received, expected);
      });
    }

    it('TestGoAway', async (t) => {
      const theirs = await connect(t);
      const told = once(theirs.session, 'goAway');
      await theirs.peer.must('goAway');
      await told;
      assert.throws(() => theirs.session.open(), /accepts no more streams/);
      assert.equal(theirs.session.closed, false);
      const ours = await connect(t);
      ours.session.goAway();
      await eventually(async () => /not accepting connections/.test((await ours.peer.ask('open')).error ?? ''));
    });

    it('TestManyStreams', async (t) => {
      const { peer, session } = await connect(t);
      await peer.must('echo');
      const message = pattern(512);
      const echoes = await Promise.all(
        Array.from({ length: 100 }, async () => {
          const stream = session.open();
          stream.end(message);
          return await readAll(stream);
        }),
      );
      for (const echo of echoes) assert.deepEqual(echo, message);
      await eventually(async () => session.streamCount === 0 && (await peer.must('state')).streams === 0);
    });

    it('TestManyStreams_PingPong', async (t) => {
      const { peer, session } = await connect(t);
      session.on('stream', (stream) => stream.pipe(stream));
      const rounds = Array.from({ length: 100 }, () => peer.must('pingPong', { size: 4, count: 100 }));
      await Promise.all(rounds);
      await eventually(async () => session.streamCount === 0);
    });

    it('TestHalfClose', async (t) => {
      const { peer, session } = await connect(t);
      const stream = session.open();
      await peer.must('accept');
      stream.end('a');
      const read = await peer.must('read', { stream: stream.id, size: 2, chunk: CHUNK });
      assert.deepEqual([read.size, read.eof], [1, true]);
      await peer.must('write', { stream: stream.id, size: CHUNK, chunk: CHUNK });
      await peer.must('close', { stream: stream.id });
      assert.deepEqual(await readAll(stream), pattern(CHUNK));
      await eventually(async () => (await peer.must('state')).streams === 0);
    });

    it('TestHalfCloseSessionShutdown', async (t) => {
      const { peer, session, reasons } = await connect(t);
      const stream = session.open();
      await peer.must('accept');
      stream.end('a');
      await peer.must('read', { stream: stream.id, size: 2, chunk: CHUNK });
      const failed = once(stream, 'error');
      await peer.must('closeSession');
      await failed;
      assert.equal(reasons.length, 1);
      assert.throws(() => session.open());
    });

    it('TestReadDeadline, TestReadDeadline_BlockedRead: their patience is theirs', async (t) => {
      const { peer, session } = await connect(t);
      const stream = session.open();
      await peer.must('accept');
      const blocked = peer.ask('read', { stream: stream.id, size: 251, chunk: 251 });
      await peer.must('readDeadline', { stream: stream.id, size: 50 });
      assert.match((await blocked).error ?? '', /i\/o deadline reached/);
      await peer.must('readDeadline', { stream: stream.id, size: 10_000 });
      stream.write(pattern(251));
      assert.equal(
        (await peer.must('read', { stream: stream.id, size: 251, chunk: 251 })).sha256,
        sha256(pattern(251)),
      );
    });

    it('TestWriteDeadline, TestWriteDeadline_BlockedWrite: what nobody reads stays within its window', async (t) => {
      const { peer, session } = await connect(t);
      const coming = nextStream(session);
      const { stream } = await peer.must('open');
      const unread = await coming;
      await peer.must('writeDeadline', { stream, size: 500 });
      const written = await peer.ask('write', { stream, size: 16 * 1024 * 1024, chunk: 251 * 128 });
      assert.match(written.error ?? '', /i\/o deadline reached/);
      assert.ok(
        written.size <= 256 * 1024 + 64 * 1024 + 251 * 128,
        `${written.size} bytes were taken that nobody read`,
      );
      await peer.must('writeDeadline', { stream, size: 60_000 });
      const rest = peer.must('write', { stream, size: 1024 * 1024, chunk: 251 * 128 });
      unread.resume();
      await rest;
    });

    it('TestBacklogExceeded: too many streams of theirs are reset, the others live', async (t) => {
      const { peer, session } = await connect(t, [], { maxStreams: 10 });
      const accepted: number[] = [];
      session.on('stream', (stream) => {
        accepted.push(stream.id);
        stream.pipe(stream);
      });
      const opened = await Promise.all(Array.from({ length: 12 }, () => peer.must('open')));
      await eventually(async () => session.counts.streamsRefused === 2);
      assert.equal(session.streamCount, 10);
      for (const { stream } of opened) {
        if (accepted.includes(stream)) await peer.must('write', { stream, size: 251, chunk: 251 });
        const read = await peer.ask('read', { stream, size: 251, chunk: 251 });
        if (accepted.includes(stream)) assert.equal(read.size, 251);
        else assert.match(read.error ?? '', /connection reset/);
      }
    });

    it('TestBacklogExceeded_Accept: too many streams of ours are reset by them', async (t) => {
      const { peer, session } = await connect(t, ['-backlog', '8'], { openTimeout: 60_000 });
      const streams = Array.from({ length: 9 }, () => session.open());
      await once(streams.at(-1) as YamuxStream, 'error');
      for (const stream of streams.slice(0, 8)) {
        assert.equal(stream.pending, true);
        await peer.must('accept');
      }
      await eventually(async () => streams.slice(0, 8).every((stream) => !stream.pending && !stream.destroyed));
    });

    it('TestOpenStreamTimeout', async (t) => {
      const { session } = await connect(t, [], { openTimeout: 200, maxPendingOpens: 2 });
      const stream = session.open();
      session.open();
      assert.throws(() => session.open(), /too many streams wait/);
      const [error] = (await once(stream, 'error')) as [Error];
      assert.match(error.message, /did not accept the stream within 0\.2 s/);
      await eventually(async () => session.streamCount === 0);
      assert.equal(session.closed, false);
      session.open();
    });

    it('TestKeepAlive: answers may be late', async (t) => {
      const answers: number[] = [];
      const { peer, session } = await connect(t, ['-keepalive', '100ms', '-write-timeout', '10s'], {
        answerPing: (reply) => {
          answers.push(performance.now());
          setTimeout(reply, 2_000);
        },
      });
      await eventually(async () => answers.length >= 4);
      assert.equal(session.closed, false, peer.log);
      const pauses = answers.slice(1).map((at, before) => at - (answers[before] ?? 0));
      assert.ok(Math.min(...pauses) > 2_000, `the next comes after the answer, and not ${pauses} ms behind the last`);
    });

    it('TestKeepAlive_Timeout', async (t) => {
      const { peer, session } = await connect(t, ['-keepalive', '100ms', '-write-timeout', '500ms'], {
        answerPing: () => undefined,
      });
      const [reason] = (await once(session, 'close')) as [Error];
      assert.match(reason.message, /closed/);
      await eventually(async () => peer.log.includes('keepalive failed: i/o deadline reached'));
    });

    it('TestLargeWindow', async (t) => {
      const { peer, session } = await connect(t, ['-window', String(4 * 1024 * 1024)]);
      const stream = session.open();
      await peer.must('accept');
      stream.write(pattern(4 * 1024 * 1024));
      await eventually(async () => session.counts.bytesOut > 4 * 1024 * 1024);
      assert.equal(session.closed, false);
    });

    it('TestSession_PartialReadWindowUpdate', async (t) => {
      const { peer, session } = await connect(t);
      const stream = session.open();
      await peer.must('accept');
      stream.write(pattern(300 * 1024));
      const stuck = await still(() => session.counts.bytesOut);
      assert.ok(stuck >= 256 * 1024);
      assert.ok(stuck < 257 * 1024, 'no more than their window');
      await peer.must('read', { stream: stream.id, size: 100 * 1024, chunk: CHUNK });
      await sleep(100);
      assert.equal(session.counts.bytesOut, stuck, 'less than half a window is no update');
      await peer.must('read', { stream: stream.id, size: 60 * 1024, chunk: CHUNK });
      await eventually(async () => session.counts.bytesOut >= 300 * 1024);
    });

    it('TestSession_WindowUpdateWriteDuringRead', async (t) => {
      const { peer, session } = await connect(t);
      const coming = nextStream(session);
      const { stream } = await peer.must('open');
      const ours = await coming;
      const size = 4 * 1024 * 1024;
      const received = readAll(ours);
      const theirReading = peer.must('read', { stream, size, chunk: 32 * 1024 });
      const theirWriting = peer.must('write', { stream, size, chunk: 251 * 128 });
      ours.write(pattern(size));
      await theirWriting;
      assert.equal((await theirReading).sha256, sha256(pattern(size)));
      await peer.must('close', { stream });
      ours.end();
      assert.equal(sha256(await received), sha256(pattern(size)));
    });

    it('TestSession_PingOfDeath', async (t) => {
      const { peer, session } = await connect(t);
      await Promise.all(Array.from({ length: 300 }, () => session.ping()));
      await Promise.all(Array.from({ length: 300 }, () => peer.must('ping')));
      assert.equal(session.closed, false);
    });

    it('TestSession_sendNoWait_Timeout, TestSession_ConnectionWriteTimeout: a peer that does not read', async (t) => {
      const { peer, session } = await connect(t);
      await peer.must('echo');
      const streams = Array.from({ length: 8 }, () => session.open());
      await eventually(async () => streams.every((stream) => !stream.pending));
      peer.kill('SIGSTOP');
      let waiting = 0;
      for (const stream of streams) {
        for (let piece = 0; piece < 64; piece++) if (!stream.write(pattern(64 * 1024))) waiting++;
      }
      await sleep(300);
      assert.ok(waiting > 0, 'the writer is told to wait');
      assert.ok(peer.socket.writableLength <= 700 * 1024, `${peer.socket.writableLength} bytes wait in the connection`);
      peer.kill('SIGCONT');
      for (const stream of streams) stream.resume();
      await session.ping();
    });

    it('a stream that nobody reads holds no other up, nor the pings', async (t) => {
      let pings = 0;
      const { peer, session } = await connect(t, ['-keepalive', '100ms', '-write-timeout', '10s'], {
        answerPing: (reply) => {
          pings++;
          reply();
        },
      });
      const streams: YamuxStream[] = [];
      session.on('stream', (stream) => streams.push(stream));
      const { stream: stuck } = await peer.must('open');
      peer.ask('write', { stream: stuck, size: 64 * 1024 * 1024, chunk: 251 * 128 });
      await eventually(async () => session.counts.bytesIn > 256 * 1024);
      const before = pings;
      await eventually(async () => pings >= before + 5);
      const { stream } = await peer.must('open');
      await eventually(async () => streams.length === 2);
      const read = readAll(streams[1] as YamuxStream);
      await peer.must('write', { stream, size: 1024 * 1024, chunk: 251 * 128 });
      await peer.must('close', { stream });
      assert.equal(sha256(await read), sha256(pattern(1024 * 1024)));
      assert.equal(session.closed, false, peer.log);
      assert.ok(session.counts.bytesIn < 2 * 1024 * 1024, 'the stuck stream sent its window and no more');
    });

    it('a peer that is killed ends the session and its streams', async (t) => {
      const { peer, session } = await connect(t);
      const stream = session.open();
      await peer.must('accept');
      const failed = once(stream, 'error');
      peer.kill();
      await Promise.all([failed, once(session, 'close')]);
      await assert.rejects(session.ping());
    });
  });
}
