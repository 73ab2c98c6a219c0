import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Random } from '../../../fixtures/random.ts';
import { GzipBytes } from './gzip-bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'gzip-bytes-'));
after(() => rmSync(folder, { recursive: true }));

const content = Buffer.from(Array.from({ length: 60_000 }, (_, at) => `{"line":${at}}\n`).join(''));

async function gunzipped(bytes: Buffer): Promise<GzipBytes> {
  const path = join(folder, 'flows.log.1.gz');
  writeFileSync(path, bytes);
  return new GzipBytes(await open(path));
}

describe('the bytes of a compressed file', () => {
  it('are read at every place, in any order', async () => {
    // Several members are one file, as gzip has it.
    const half = content.length / 2;
    const bytes = await gunzipped(
      Buffer.concat([gzipSync(content.subarray(0, half)), gzipSync(content.subarray(half))]),
    );
    assert.equal(await bytes.size(), content.length);
    const random = new Random(5);
    for (let round = 0; round < 100; round++) {
      const position = random.between(0, content.length);
      const length = random.between(0, 200_000);
      const expected = content.subarray(position, position + length);
      assert.ok((await bytes.readAt(position, length)).equals(expected), `${length} bytes at ${position}`);
    }
    await bytes.close();
  });

  it('are no file when they are cut off', async () => {
    const bytes = await gunzipped(gzipSync(content).subarray(0, -9));
    await assert.rejects(bytes.size(), /unexpected end of file/);
    await bytes.close();
  });
});
