import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Random } from '../../../fixtures/random.ts';
import { MAX_LINE } from '../record/lines.ts';
import { cutBytes, type FileChunk, halves } from './file-chunk.ts';
import { BEGINNING, LogFile, tailHash } from './log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'log-file-'));
after(() => rmSync(folder, { recursive: true }));

/** Where a file can be resumed at an offset. */
function place(path: string, offset: number) {
  return { offset, tail: tailHash(readFileSync(path).subarray(0, offset).subarray(-1024)) };
}

async function read(path: string, offset: number, chunkBytes: number): Promise<FileChunk[]> {
  const file = await LogFile.open(path);
  const chunks: FileChunk[] = [];
  for await (const chunk of file.chunks(place(path, offset), chunkBytes)) chunks.push(chunk);
  await file.close();
  return chunks;
}

describe('LogFile', () => {
  it('says with the last lines how much behind them has no end', async () => {
    const path = join(folder, 'half.log');
    for (const [text, unfinished] of [
      ['one\ntwo\nhalf', 4],
      ['one\ntwo\n', 0],
    ] as const) {
      writeFileSync(path, text);
      const file = await LogFile.open(path);
      for await (const chunk of file.chunks(BEGINNING, 1024)) {
        assert.deepEqual([chunk.end, file.unfinished], [8, unfinished]);
      }
      assert.equal(file.unfinished, unfinished);
      await file.close();
    }
  });

  it('reads every complete line once, whatever the chunks', async () => {
    const random = new Random(7);
    const path = join(folder, 'random.log');
    for (let round = 0; round < 60; round++) {
      const lines = Array.from({ length: random.between(0, 40) }, () => 'x'.repeat(random.between(0, 90)));
      const tail = random.chance(0.5) ? 'unfinished' : '';
      const text = `${lines.map((line) => `${line}\n`).join('')}${tail}`;
      writeFileSync(path, text);
      const chunks = await read(path, 0, random.between(16, 300));
      assert.equal(
        Buffer.concat(chunks.map(({ bytes }) => bytes)).toString(),
        text.slice(0, text.length - tail.length),
      );
      assert.equal(
        chunks.reduce((sum, chunk) => sum + chunk.records, 0),
        lines.filter((line) => line !== '').length,
      );
      let at = 0;
      for (const chunk of chunks) {
        assert.equal(chunk.offset, at);
        at = chunk.end;
      }
    }
  });

  it('goes on from an offset', async () => {
    const path = join(folder, 'offset.log');
    writeFileSync(path, 'one\ntwo\nthree\n');
    const chunks = await read(path, 4, 1024);
    assert.deepEqual(
      chunks.map(({ offset, bytes, end }) => [offset, bytes.toString(), end]),
      [[4, 'two\nthree\n', 14]],
    );
  });

  it('ends where the file ended when it was opened', async () => {
    const path = join(folder, 'growing.log');
    writeFileSync(path, 'one\n');
    const file = await LogFile.open(path);
    appendFileSync(path, 'two\n');
    const chunks = [];
    for await (const chunk of file.chunks(BEGINNING, 1024)) chunks.push(chunk.bytes.toString());
    assert.deepEqual(chunks, ['one\n']);
    await file.close();
  });

  for (const [what, change] of [
    ['shrinks', (path: string) => truncateSync(path, 3000)],
    ['is emptied and written anew', (path: string) => writeFileSync(path, `${'other line\n'.repeat(1000)}`)],
    [
      'is emptied and written anew behind the same first line',
      (path: string) => writeFileSync(path, `first\n${'other line\n'.repeat(1000)}`),
    ],
    [
      'loses its beginning to a writer that stays where it was',
      (path: string) => {
        const { length } = readFileSync(path);
        writeFileSync(path, Buffer.concat([Buffer.alloc(length), Buffer.from('new\n')]));
      },
    ],
  ] as const) {
    it(`stops at a file that ${what} meanwhile`, async () => {
      const path = join(folder, 'changing.log');
      writeFileSync(path, `first\n${'the line\n'.repeat(1000)}`);
      const file = await LogFile.open(path);
      const chunks = file.chunks(BEGINNING, 1024);
      assert.equal((await chunks.next()).done, false);
      assert.equal((await chunks.next()).done, false);
      change(path);
      await assert.rejects(chunks.next(), /^FileTrouble: it was truncated or overwritten while it was read$/);
      await file.close();
    });
  }

  it('stops at a file that is another one before anything was read', async () => {
    const path = join(folder, 'replaced.log');
    writeFileSync(path, 'first\nsecond\n');
    const file = await LogFile.open(path);
    writeFileSync(path, 'FIRST\nsecond\nthird\n');
    await assert.rejects(file.chunks(BEGINNING, 1024).next(), /^FileTrouble: /);
    await file.close();
  });

  it('stops at a file that begins alike for long and is another one', async () => {
    const path = join(folder, 'alike.log');
    const begin = 'the line\n'.repeat(500);
    writeFileSync(path, `${begin}${'old\n'.repeat(1000)}`);
    const file = await LogFile.open(path);
    const chunks = file.chunks(BEGINNING, 6000);
    assert.equal((await chunks.next()).done, false);
    writeFileSync(path, `${begin}${'new\n'.repeat(2000)}`);
    await assert.rejects(chunks.next(), /^FileTrouble: /);
    await file.close();
  });

  it('does not begin at a place that is not there any more', async () => {
    const path = join(folder, 'place.log');
    writeFileSync(path, 'first\nsecond\nthird\n');
    const from = place(path, 13);
    writeFileSync(path, 'first\nSECOND\nthird\n');
    const file = await LogFile.open(path);
    await assert.rejects(file.chunks(from, 1024).next(), /^FileTrouble: /);
    await file.close();
  });

  it('tells by content whether it is the file that a position was in', async () => {
    const path = join(folder, 'original.log');
    const copy = join(folder, 'copy.log');
    const holds = async (at: string, position: { fileKey: string; offset: number; tail: string }) => {
      const file = await LogFile.open(at);
      const held = await file.holds(position);
      await file.close();
      return held;
    };
    writeFileSync(path, `first\n${'line\n'.repeat(500)}`);
    const file = await LogFile.open(path);
    await file.close();
    const position = { fileKey: file.key ?? '', ...place(path, 2006) };
    copyFileSync(path, copy);
    appendFileSync(copy, 'more\n');
    assert.equal(await holds(path, position), true);
    assert.equal(await holds(copy, position), true);
    assert.equal(await holds(path, { ...position, fileKey: '0'.repeat(32) }), false);
    truncateSync(copy, 2005);
    assert.equal(await holds(copy, position), false, 'shorter');
    writeFileSync(copy, `first\n${'LINE\n'.repeat(500)}`);
    assert.equal(await holds(copy, position), false, 'other lines before the same offset');
    assert.equal(
      await holds(copy, { ...position, ...BEGINNING }),
      true,
      'nothing of it is done, so it is all the same',
    );
  });

  it('does not wait for the other end of a pipe', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    await assert.rejects(LogFile.open(path), /is not a regular file/);
    await assert.rejects(LogFile.open(folder), /is a directory/);
  });

  it('knows a file by its first line that is not blank, whatever it is called', async () => {
    const path = join(folder, 'named.log');
    writeFileSync(path, 'first\nsecond\n');
    const key = async (at: string) => {
      const file = await LogFile.open(at);
      await file.close();
      return file.key;
    };
    const original = await key(path);
    assert.match(original ?? '', /^[0-9a-f]{32}$/);
    appendFileSync(path, 'third\n');
    assert.equal(await key(path), original);
    renameSync(path, `${path}.1`);
    assert.equal(await key(`${path}.1`), original);
    writeFileSync(path, 'other\n');
    assert.notEqual(await key(path), original);
    writeFileSync(path, 'no line yet');
    assert.equal(await key(path), undefined);
    writeFileSync(path, '\n \t\r\nno line yet');
    assert.equal(await key(path), undefined, 'blank lines are the same everywhere');
    writeFileSync(path, `${'\n'.repeat(200_000)}first\nsecond\n`);
    assert.equal(await key(path), original);
  });

  it('finds a first line that is long', async () => {
    const path = join(folder, 'long-first.log');
    writeFileSync(path, `${'x'.repeat(200_000)}\ny\n`);
    const chunks = await read(path, 0, 1024);
    assert.equal(Buffer.concat(chunks.map(({ bytes }) => bytes)).length, 200_003);
    assert.equal(
      chunks.reduce((sum, { records }) => sum + records, 0),
      2,
    );
  });

  it('gives the beginning of a line that is too long, and goes on behind it', async () => {
    const path = join(folder, 'too-long.log');
    const line = 'x'.repeat(MAX_LINE + 5000);
    writeFileSync(path, `a\n${line}\nb\n`);
    const chunks = await read(path, 0, 4096);
    const end = line.length + 3;
    assert.deepEqual(
      chunks.map((chunk) => [chunk.offset, chunk.end, chunk.bytes.length, chunk.records, cutBytes(chunk)]),
      [
        [0, 2, 2, 1, 0],
        [2, end, MAX_LINE + 2, 1, 4999],
        [end, end + 2, 2, 1, 0],
      ],
    );
    assert.equal(chunks[1]?.bytes.at(-1), 0x0a);
    for (const chunk of chunks) assert.equal(tailHash(chunk.after), place(path, chunk.end).tail);
  });

  it('knows what stands before and behind each chunk and each half of it', async () => {
    const path = join(folder, 'halves.log');
    const random = new Random(8);
    const lines = Array.from({ length: 400 }, () => 'x'.repeat(random.between(0, 300)).concat('\n'));
    writeFileSync(path, lines.join(''));
    const parts: FileChunk[] = [];
    const split = (chunk: FileChunk): void => {
      assert.equal(tailHash(chunk.before), place(path, chunk.offset).tail);
      assert.equal(tailHash(chunk.after), place(path, chunk.end).tail);
      const both = halves(chunk);
      if (both.length === 0) parts.push(chunk);
      else both.forEach(split);
    };
    for (const chunk of await read(path, 0, 5000)) split(chunk);
    assert.deepEqual(
      parts.map(({ bytes }) => bytes.toString()),
      lines,
    );
  });

  it('waits for the end of a line that is too long', async () => {
    const path = join(folder, 'too-long-yet.log');
    writeFileSync(path, `a\n${'x'.repeat(MAX_LINE + 10)}`);
    assert.deepEqual(
      (await read(path, 0, 4096)).map(({ end }) => end),
      [2],
    );
  });
});
