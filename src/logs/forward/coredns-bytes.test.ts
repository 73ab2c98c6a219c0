import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Random } from '../../../fixtures/random.ts';
import { CorednsBytes } from './coredns-bytes.ts';
import { PlainBytes } from './file-bytes.ts';
import { LogFile } from './log-file.ts';

const POD = 'kube-system_coredns-5dd5756b68-abcde_0a1b';

function query(at: number): string {
  return `[INFO] 10.244.0.${at % 250}:4000 - ${at} "A IN n${at}.example.com. udp 50 false 512" NOERROR qr,rd 106 0.00012s`;
}

/** As containerd writes it; `P` where the line goes on in the next one. */
function entry(text: string, tag: 'F' | 'P' = 'F', stream = 'stdout'): string {
  return `2026-08-20T10:15:00.123456789Z ${stream} ${tag} ${text}\n`;
}

function logFile(text: string): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'coredns-')), POD, 'coredns');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, '0.log');
  writeFileSync(path, text);
  return path;
}

async function bytesOf(t: TestContext, path: string): Promise<CorednsBytes> {
  const bytes = new CorednsBytes(new PlainBytes(await open(path)), { namespace: 'kube-system', name: 'coredns-x' });
  t.after(() => bytes.close());
  return bytes;
}

/** The names that were asked for. */
async function names(bytes: CorednsBytes): Promise<string[]> {
  const text = (await bytes.readAt(0, await bytes.size())).toString();
  return text.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { qname: string }).qname]));
}

describe('CorednsBytes', () => {
  it('has the records of queries, with the parts of lines joined, and nothing else', async (t) => {
    const [head, tail] = [query(2).slice(0, 30), query(2).slice(30)];
    const path = logFile(
      [
        entry('.:53'),
        entry(query(1)),
        entry(head, 'P'),
        entry('[ERROR] plugin/errors: 2 x', 'F', 'stderr'),
        entry(tail.slice(0, 9), 'P'),
        entry(tail.slice(9)),
        'no line of a container\n',
        entry(query(3)),
        entry(query(4)).trimEnd(),
      ].join(''),
    );
    const bytes = await bytesOf(t, path);
    assert.deepEqual(await names(bytes), ['n1.example.com', 'n2.example.com', 'n3.example.com']);
    appendFileSync(path, '\n');
    assert.deepEqual((await names(bytes)).at(-1), 'n4.example.com');
  });

  it('says the same of every place, however the log has grown and whoever asks', async (t) => {
    const random = new Random(7);
    const path = logFile('');
    const grown = await bytesOf(t, path);
    let count = 0;
    for (let round = 0; round < 20; round++) {
      let text = '';
      for (const end = count + random.between(1, 800); count < end; count++) {
        const line = query(count);
        const cut = random.between(1, line.length - 1);
        text += random.chance(0.2) ? entry(line.slice(0, cut), 'P') + entry(line.slice(cut)) : entry(line);
      }
      // Written in pieces that end wherever they do.
      const middle = random.between(0, text.length);
      appendFileSync(path, text.slice(0, middle));
      await grown.size();
      appendFileSync(path, text.slice(middle));
      await grown.size();
    }
    const fresh = await bytesOf(t, path);
    assert.equal(await fresh.size(), await grown.size());
    assert.ok((await fresh.size()) > 2_000_000);
    const whole = await fresh.readAt(0, await fresh.size());
    assert.equal(whole.toString().trimEnd().split('\n').length, count);
    for (let look = 0; look < 50; look++) {
      const position = random.between(0, whole.length);
      const length = random.between(0, 100_000);
      const piece = { position, bytes: whole.subarray(position, position + length) };
      assert.ok((await grown.readAt(position, length)).equals(piece.bytes));
      assert.ok(await grown.isStill(whole.length, [piece]));
    }
    truncateSync(path, 1000);
    assert.equal(await grown.isStill(whole.length, []), false);
    assert.equal(await grown.size(), 0);
  });

  it('passes over what is no line of any runtime, and holds little of it', async (t) => {
    const path = logFile(`${'x'.repeat(3_000_000)}\n${entry(query(1))}`);
    assert.deepEqual(await names(await bytesOf(t, path)), ['n1.example.com']);
  });

  it("is what a LogFile is at the place of CoreDNS's logs", async (t) => {
    const path = logFile(entry(query(1)) + entry(query(2)));
    const file = await LogFile.open(path);
    t.after(() => file.close());
    const { key, size } = file;
    assert.ok(size > 500);
    appendFileSync(path, entry(query(3)));
    await file.refresh();
    assert.ok(file.size > size);
    const again = await LogFile.open(path);
    t.after(() => again.close());
    assert.equal(again.key, key);
  });
});
