import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Random } from '../../../fixtures/random.ts';
import { MAX_LINE } from '../record/lines.ts';
import { type FileChunk, LogFile } from './log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'log-file-'));
after(() => rmSync(folder, { recursive: true }));

async function read(path: string, offset: number, chunkBytes: number): Promise<FileChunk[]> {
  const file = await LogFile.open(path);
  const chunks: FileChunk[] = [];
  for await (const chunk of file.chunks(offset, chunkBytes)) chunks.push(chunk);
  await file.close();
  return chunks;
}

describe('LogFile', () => {
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
    for await (const chunk of file.chunks(0, 1024)) chunks.push(chunk.bytes.toString());
    assert.deepEqual(chunks, ['one\n']);
    await file.close();
  });

  it('reads what is there of a file that shrinks', async () => {
    const path = join(folder, 'shrinking.log');
    writeFileSync(path, 'one\ntwo\nthree\n');
    const file = await LogFile.open(path);
    truncateSync(path, 5);
    const chunks = [];
    for await (const chunk of file.chunks(0, 1024)) chunks.push(chunk.bytes.toString());
    assert.deepEqual(chunks, ['one\n']);
    await file.close();
  });

  it('knows a file by its first line, whatever it is called', async () => {
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

  it('passes over a line that is too long', async () => {
    const path = join(folder, 'too-long.log');
    writeFileSync(path, `a\n${'x'.repeat(MAX_LINE + 1)}\nb\n`);
    const chunks = await read(path, 0, 4096);
    assert.deepEqual(
      chunks.map(({ offset, end, records, tooLong }) => [offset, end, records, tooLong]),
      [
        [0, 2, 1, false],
        [2, MAX_LINE + 4, 1, true],
        [MAX_LINE + 4, MAX_LINE + 6, 1, false],
      ],
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
