import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionError } from '../../kube/client.ts';
import { readPage } from './log-page.ts';

const GAP = { kind: 'Gap', cluster: 'a', type: 'dns', from: '', to: '', reason: '"items":[\n1\n]}' };
const HEAD = `{"kind":"LogList","apiVersion":"lma.tigera.io/v1","metadata":{"continue":"abc"},"shortcomings":[${JSON.stringify(GAP)}]`;

async function* chunks(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string, size = 7) {
  const { next, list } = await readPage(chunks(text, size));
  const { lines, ...rest } = await list;
  return { next, lines: lines.toString(), ...rest };
}

describe('a page of an answer', () => {
  it('is lines of its items, however it comes', async () => {
    const items = ['{"a":"ä,\\n]}"}', '{"b":[1,2]}'];
    for (const size of [1, 7, 10_000]) {
      assert.deepEqual(await read(`${HEAD},"items":[\n${items.join(',\n')}\n]}`, size), {
        next: 'abc',
        lines: `${items.join('\n')}\n`,
        records: 2,
        shortcomings: [GAP],
      });
    }
  });

  it('may have none', async () => {
    const text = `${HEAD.replace('"continue":"abc"', '')},"items":[]}`;
    assert.deepEqual(await read(text), { next: undefined, lines: '', records: 0, shortcomings: [GAP] });
  });

  for (const text of [
    '',
    HEAD,
    `${HEAD},"items":[`,
    `${HEAD},"items":[\n{"a":1}`,
    `${HEAD},"items":[\n{"a":1},\n`,
    `${HEAD},"items":[{"a":1}]}`,
    '{"kind":"Status"}',
  ]) {
    it(`is whole, and not ${JSON.stringify(text.slice(-20))}`, async () => {
      await assert.rejects(read(text), ConnectionError);
    });
  }
});
