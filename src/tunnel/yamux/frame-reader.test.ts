import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rawFrame } from '../../../testbed/yamux-peer/raw-peer.ts';
import { encodeHeader, FLAG, GO_AWAY, ProtocolError, TYPE } from './frame.ts';
import { FrameReader } from './frame-reader.ts';

/** What a reader reports of these chunks, each body in one piece; and whether it ends between frames. */
function read(...chunks: readonly Buffer[]): { frames: string[]; atBoundary: boolean } {
  const frames: string[] = [];
  let body: Buffer[] = [];
  const reader = new FrameReader({
    onFrame: (...header) => frames.push(header.join(' ')),
    onBody: (piece, last) => {
      body.push(piece);
      if (!last) return;
      frames.push(Buffer.concat(body).toString());
      body = [];
    },
  });
  for (const chunk of chunks) reader.push(chunk);
  return { frames, atBoundary: reader.atBoundary };
}

const CONVERSATION = Buffer.concat([
  rawFrame(1, 1, 1, 0),
  rawFrame(0, 0, 1, Buffer.from('hello')),
  rawFrame(2, 1, 0, 7),
  rawFrame(0, 4, 0xffff_fffe, Buffer.from('x')),
  rawFrame(0, 0, 3, Buffer.alloc(0)),
  rawFrame(1, 0xffff, 3, 0xffff_ffff),
  rawFrame(3, 0, 0, 2),
]);
const READ = [
  '1 1 1 0',
  '0 0 1 5',
  'hello',
  '2 1 0 7',
  '0 4 4294967294 1',
  'x',
  '0 0 3 0',
  '1 65535 3 4294967295',
  '3 0 0 2',
];

describe('frames', () => {
  it('TestConst: have the numbers of the protocol', () => {
    assert.deepEqual(Object.values(TYPE), [0, 1, 2, 3]);
    assert.deepEqual(Object.values(FLAG), [1, 2, 4, 8]);
    assert.deepEqual(Object.values(GO_AWAY), [0, 1, 2]);
  });

  it('TestEncodeDecode: are 12 bytes, big-endian', () => {
    const header = encodeHeader(TYPE.windowUpdate, FLAG.ack | FLAG.rst, 1234, 4321);
    assert.equal(header.toString('hex'), '0001000a000004d2000010e1');
    assert.deepEqual(read(header), { frames: ['1 10 1234 4321'], atBoundary: true });
  });
});

describe('FrameReader', () => {
  it('reads frames that come together in one chunk', () => {
    assert.deepEqual(read(CONVERSATION), { frames: READ, atBoundary: true });
  });

  it('reads the same however they are cut', () => {
    const bytes = [...CONVERSATION].map((byte) => Buffer.of(byte));
    assert.deepEqual(read(...bytes), { frames: READ, atBoundary: true });
    for (let cut = 1; cut < CONVERSATION.length; cut++) {
      const chunks = [CONVERSATION.subarray(0, cut), CONVERSATION.subarray(cut)];
      assert.deepEqual(read(...chunks).frames, READ, `cut at ${cut}`);
      for (let second = cut + 1; second < CONVERSATION.length; second++) {
        const three = [...chunks.slice(0, 1), CONVERSATION.subarray(cut, second), CONVERSATION.subarray(second)];
        assert.deepEqual(read(...three).frames, READ, `cut at ${cut} and ${second}`);
      }
    }
  });

  it('knows where an end cuts a frame in two', () => {
    const ends = [...CONVERSATION.keys()].filter((end) => read(CONVERSATION.subarray(0, end)).atBoundary);
    assert.deepEqual(ends, [0, 12, 29, 41, 54, 66, 78]);
  });

  it('copies no body and waits for none', () => {
    const chunk = rawFrame(0, 0, 1, Buffer.alloc(1000));
    chunk.writeUInt32BE(0xffff_ffff, 8);
    const pieces: Buffer[] = [];
    const reader = new FrameReader({ onFrame: () => undefined, onBody: (piece) => pieces.push(piece) });
    reader.push(chunk);
    reader.push(chunk);
    const [first, second] = pieces;
    assert.deepEqual([first?.buffer, first?.byteOffset, first?.length], [chunk.buffer, chunk.byteOffset + 12, 1000]);
    assert.equal(second, chunk, 'bytes that look like a header, in a body');
  });

  it('refuses other versions and types', () => {
    assert.throws(
      () => read(Buffer.from('010100010000000100000000', 'hex')),
      new ProtocolError('yamux version 1 is not known'),
    );
    assert.throws(
      () => read(Buffer.from('000400010000000100000000', 'hex')),
      new ProtocolError('yamux frame type 4 is not known'),
    );
    assert.throws(() => read(Buffer.from('00ff00010000000100000000', 'hex')), ProtocolError);
  });
});
