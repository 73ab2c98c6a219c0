import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ImportError, RecordScanner } from './record-scanner.ts';

/** What is made of a text that comes in pieces of that size. */
function linesOf(text: string, pieceBytes: number): string {
  const scanner = new RecordScanner();
  const bytes = Buffer.from(text);
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    lines.push(...scanner.take(bytes.subarray(at, at + pieceBytes)));
  return Buffer.concat([...lines, ...scanner.end()]).toString();
}

const RECORDS = [
  '{"a":1.10,"s":"} ] \\" { [ , \\\\","nested":{"items":[{"b":[]}]}}',
  '{"kind":"Event","big":12345678901234567890,"é":"日本"}',
  '{}',
];
const LINES = RECORDS.map((record) => `${record}\n`).join('');

describe('RecordScanner', () => {
  for (const [form, text] of [
    ['lines', LINES],
    ['lines without the last end', LINES.trimEnd()],
    ['an array', `[${RECORDS.join(',')}]`],
    ['an array over many lines', ` \n[\n${RECORDS.join(' ,\r\n  ')}\n]\n`],
    ['a list', `{"kind":"EventList","metadata":{"a":[{"x":1}]},"items":[${RECORDS.join(',')}]}`],
    [
      'a list whose kind comes last',
      `{"items":[${RECORDS.join(',')}],"metadata":{"a":[{"x":1}]},"kind":"EventList"}\n`,
    ],
    ['lists one a line', RECORDS.map((record) => `{"kind":"EventList","items":[${record}]}\n`).join('')],
    ['arrays one behind the other', RECORDS.map((record) => `[${record}]`).join('')],
    ['an empty list among others', `{"items":[]}\n{"items":[${RECORDS.join()}]}`],
  ] as const) {
    for (const pieceBytes of [1, 7, 1_000_000]) {
      it(`finds the records of ${form}, in pieces of ${pieceBytes} bytes`, () => {
        assert.equal(linesOf(text, pieceBytes), LINES);
      });
    }
  }

  it('puts a record that stands on many lines on one, and its bytes stay otherwise', () => {
    assert.equal(
      linesOf('{\n  "a": 1.10,\r\n  "b": "x y"\n}\n{\n"c": 2}', 3),
      '{   "a": 1.10,    "b": "x y" }\n{ "c": 2}\n',
    );
  });

  it('leaves lines alone that are no JSON, where records stand one a line', () => {
    const text = '{"a":1}\nnot {JSON\n{"a":2\n\n{"a":3}\n';
    for (const pieceBytes of [1, 5, 1000]) assert.equal(linesOf(text, pieceBytes), text);
  });

  it('does not take a member of another name, or of another place, for a list', () => {
    const text = '{\n"item":[{"a":1}],"itemss":[2],"kind":"items","x":{"items":[{"b":1}]}}';
    for (const pieceBytes of [1, 1000]) assert.equal(linesOf(text, pieceBytes), `${text.replace('\n', ' ')}\n`);
  });

  for (const [what, text, words] of [
    ['an array that is cut', '[{"a":1},{"b"', 'it ends at byte 13 in the middle of a value: it is not whole'],
    ['a list that is cut', '{"items":[{"a":1}', 'it ends at byte 17 in the middle of a value: it is not whole'],
    ['numbers', '[{"a":1},2]', 'there is something else at byte 9 where a record should be'],
    ['arrays in arrays', '[[{"a":1}]]', 'there is an array at byte 1 where a record should be'],
    ['text', 'hello', 'there is something else at byte 0 where a record should be'],
    ['a bracket too many', '[{"a":1}]]', 'it has more closing brackets than opening ones'],
  ] as const) {
    it(`refuses ${what}, and says where`, () => {
      for (const pieceBytes of [1, 1000]) {
        assert.throws(() => linesOf(text, pieceBytes), new ImportError(words));
      }
    });
  }

  it('holds no more than 16 MiB of what may be a list', () => {
    const scanner = new RecordScanner();
    const piece = Buffer.alloc(1024 * 1024, 'x');
    let passed = 0;
    const take = (bytes: Buffer) => {
      for (const line of scanner.take(bytes)) passed += line.length;
    };
    take(Buffer.from('{"a":"'));
    for (let made = 0; made < 64; made++) take(piece);
    assert.ok(passed >= 47 * piece.length, `${passed}`);
    take(Buffer.from('"}'));
    assert.equal(passed, 64 * piece.length + '{"a":""}\n'.length);
  });
});
