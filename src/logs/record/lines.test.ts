import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Random } from '../../../fixtures/random.ts';
import { isBlank, type Line, LineSplitter } from './lines.ts';

function split(chunks: readonly Buffer[], options?: ConstructorParameters<typeof LineSplitter>[0]): Line[] {
  const splitter = new LineSplitter(options);
  const lines = chunks.flatMap((chunk) => [...splitter.push(chunk)]);
  const last = splitter.end();
  return last === undefined ? lines : [...lines, last];
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function bytesHeld(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('LineSplitter', () => {
  it('gives lines with their offsets', () => {
    const lines = split([Buffer.from('one\n\ntwo\nthree')], { offset: 100 });
    assert.deepEqual(
      lines.map(({ offset, bytes }) => [offset, bytes.toString()]),
      [
        [100, 'one'],
        [104, ''],
        [105, 'two'],
        [109, 'three'],
      ],
    );
  });

  it('gives the same lines however the bytes are cut into chunks', () => {
    const random = new Random(1);
    for (let round = 0; round < 300; round++) {
      const text = Array.from({ length: random.between(0, 200) }, () =>
        random.pick(['a', 'é', '\n', '\r\n', '{}', '𝛑']),
      ).join('');
      const bytes = Buffer.from(text);
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(at + random.between(1, 9), bytes.length);
        chunks.push(bytes.subarray(at, end));
        at = end;
      }
      const expected = text.split('\n');
      if (expected.at(-1) === '') expected.pop();
      const lines = split(chunks);
      assert.deepEqual(
        lines.map((line) => line.bytes.toString()),
        expected,
      );
      for (const { offset, bytes: line, length } of lines) {
        assert.equal(length, line.length);
        assert.deepEqual(bytes.subarray(offset, offset + length), line);
      }
    }
  });

  it('keeps only the beginning of a line that is too long, and goes on behind it', () => {
    const long = Buffer.alloc(30_000, 'x');
    const stream = Buffer.concat([Buffer.from('a\n'), long, Buffer.from('\nb\n')]);
    for (const size of [1000, 7777, stream.length]) {
      const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, at) =>
        stream.subarray(at * size, (at + 1) * size),
      );
      const lines = split(chunks, { maxLine: 10_000 });
      assert.deepEqual(
        lines.map(({ offset, length }) => [offset, length]),
        [
          [0, 1],
          [2, 30_000],
          [30_003, 1],
        ],
      );
      assert.equal(lines[1]?.bytes.length, 4096);
    }
  });

  it('holds about as much as a line is long, also where it comes byte by byte', () => {
    const splitter = new LineSplitter();
    const before = bytesHeld();
    for (let at = 0; at < 300_000; at++) for (const _ of splitter.push(Buffer.from('x'))) assert.fail();
    const held = bytesHeld() - before;
    assert.ok(held < 3_000_000, `${held} bytes`);
    assert.equal(splitter.end()?.length, 300_000);
  });

  it('keeps a line of just the longest length whole', () => {
    const [line] = split([Buffer.alloc(10, 'x'), Buffer.from('\n')], { maxLine: 10 });
    assert.deepEqual([line?.length, line?.bytes.length], [10, 10]);
  });
});

describe('isBlank', () => {
  it('knows white space from the rest', () => {
    for (const text of ['', ' ', '\t \r']) assert.equal(isBlank(Buffer.from(text)), true);
    for (const text of ['{', ' x', '\u00a0']) assert.equal(isBlank(Buffer.from(text)), false);
  });
});
