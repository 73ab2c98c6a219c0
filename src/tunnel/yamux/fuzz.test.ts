// Whatever a peer sends: the session goes on correctly, or closes with a reason. FUZZ_ROUNDS=100000 for a long run;
// FUZZ_SEED=n runs one round again.
import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { rawFrame } from '../../../testbed/yamux-peer/raw-peer.ts';
import { YamuxSession } from './session.ts';
import { WindowBudget } from './window-budget.ts';

const [DATA, WINDOW, PING] = [0, 1, 2];
const [SYN, FIN, RST] = [1, 4, 8];

/** Numbers that look random and are the same for the same seed (mulberry32). */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  one<T>(...of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** What a peer may say: up to eight streams at once, their frames in any order. */
function conversation(chance: Chance): Buffer[] {
  const frames: Buffer[] = [];
  const open: number[] = [];
  for (let left = 5 + chance.below(60), nextId = 1; left > 0; left--) {
    const at = chance.below(8);
    const id = open[at];
    if (id === undefined) {
      const body = chance.bytes(chance.one(0, 0, 5, 300));
      frames.push(rawFrame(DATA, SYN, nextId, body));
      open.push(nextId);
      nextId += 2;
    } else if (chance.below(8) > 0) {
      const body = chance.bytes(chance.one(0, 1, 11, 12, 13, 500, 2_000));
      const ends = chance.below(5) === 0;
      frames.push(rawFrame(DATA, ends ? FIN : 0, id, body));
      if (ends) open.splice(at, 1);
    } else {
      frames.push(chance.one(rawFrame(WINDOW, 0, id, chance.below(9)), rawFrame(PING, SYN, 0, chance.below(99))));
    }
  }
  return frames;
}

/** Bytes that are wrong from some offset on; the offset is that of the first byte that differs. */
function spoil(chance: Chance, frames: readonly Buffer[]): { bytes: Buffer; intact: number } {
  const good = Buffer.concat(frames);
  const at = chance.below(good.length);
  const rest = good.subarray(at);
  const flipped = Buffer.from(rest);
  for (let count = 1 + chance.below(3), offset = 0; count > 0; count--, offset = chance.below(flipped.length)) {
    flipped.writeUInt8(flipped.readUInt8(offset) ^ (1 << chance.below(8)), offset);
  }
  const wrong = chance.one(
    flipped,
    chance.bytes(chance.below(3_000)),
    Buffer.concat([chance.bytes(1 + chance.below(40)), rest]),
    rest.subarray(1 + chance.below(40)),
    Buffer.concat([rawFrame(DATA, chance.below(16), 1 + chance.below(16), 0xffff_ffff - chance.below(2)), rest]),
    Buffer.concat([rawFrame(chance.below(5), chance.below(16), chance.below(16), chance.below(9)), rest]),
    Buffer.concat([rawFrame(WINDOW, chance.one(FIN, RST, SYN), 1 + chance.below(16), 0xffff_fff0), rest]),
  );
  return { bytes: Buffer.concat([good.subarray(0, at), wrong]), intact: at };
}

function cut(chance: Chance, bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  const most = chance.one(1, 12, 13, 100, 5_000, 100_000);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + chance.below(most);
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** What of each stream lies in the first `length` bytes of the conversation. */
function within(frames: readonly Buffer[], length: number): Map<number, Buffer> {
  const parts = new Map<number, Buffer[]>();
  let at = 0;
  for (const frame of frames) {
    const body = frame.subarray(12, Math.max(12, length - at));
    const isData = frame.readUInt8(1) === DATA;
    if (isData && at + 12 <= length) {
      const id = frame.readUInt32BE(4);
      parts.set(id, [...(parts.get(id) ?? []), body]);
    }
    at += frame.length;
  }
  return new Map([...parts].map(([id, bodies]) => [id, Buffer.concat(bodies)]));
}

/** Whether a stream of that id is read to its end. Some are not, some are given up. */
function isRead(id: number): boolean {
  return id % 8 !== 7 && id % 16 !== 13;
}

interface Received {
  readonly parts: Buffer[];
  failed: boolean;
}

function read(session: YamuxSession): Map<number, Received> {
  const streams = new Map<number, Received>();
  session.on('stream', (stream) => {
    const received: Received = { parts: [], failed: false };
    streams.set(stream.id, received);
    stream.on('error', () => {
      received.failed = true;
    });
    if (stream.id % 8 !== 7) stream.on('data', (part: Buffer) => received.parts.push(part));
    if (stream.id % 8 === 3) stream.end('answer');
    if (stream.id % 16 === 13) setImmediate(() => stream.destroy());
  });
  return streams;
}

async function round(seed: number): Promise<void> {
  const chance = new Chance(seed);
  const frames = conversation(chance);
  const whole = Buffer.concat(frames);
  const { bytes, intact } = chance.below(3) === 0 ? { bytes: whole, intact: whole.length } : spoil(chance, frames);

  const [ours, theirs] = duplexPair();
  theirs.resume().on('error', () => undefined);
  const budget = new WindowBudget(1024 * 1024);
  const session = new YamuxSession(ours, { role: 'server', maxStreams: 100, budget });
  const reasons: string[] = [];
  session.on('close', ({ message }) => reasons.push(message));
  const streams = read(session);
  for (const chunk of cut(chance, bytes)) {
    theirs.write(chunk);
    if (chance.below(4) === 0) await turn();
  }
  while (theirs.writableLength > 0 && !session.closed) await turn();
  await turn();
  await turn();

  const where = `FUZZ_SEED=${seed}`;
  if (intact === bytes.length) assert.equal(session.closed, false, where);
  if (session.closed) assert.match(reasons.join('; '), /^[^;]+$/, where);
  for (const [id, expected] of within(frames, intact)) {
    const { parts = [], failed } = streams.get(id) ?? {};
    if (!isRead(id)) continue;
    const got = Buffer.concat(parts);
    const length = Math.min(got.length, expected.length);
    assert.ok(got.subarray(0, length).equals(expected.subarray(0, length)), `${where}: stream ${id}`);
    // What fails may fail before its reader has taken what came.
    if (failed !== true) assert.equal(length, expected.length, `${where}: stream ${id}`);
    if (intact === bytes.length) assert.equal(got.length, expected.length, `${where}: stream ${id}`);
  }
  session.close();
  assert.deepEqual([session.streamCount, budget.taken], [0, 0], where);
}

it('survives what a peer may send, and delivers unaltered what came before it went wrong', {
  timeout: 3_600_000,
}, async () => {
  const { FUZZ_SEED, FUZZ_ROUNDS } = process.env;
  if (FUZZ_SEED !== undefined) await round(Number(FUZZ_SEED));
  else for (let seed = 1; seed <= Number(FUZZ_ROUNDS ?? 500); seed++) await round(seed);
});
