import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CsvError, parseCsv } from './csv.ts';

describe('parseCsv', () => {
  it('reads what spreadsheets write', () => {
    const rows = parseCsv('\uFEFFname,note\r\na, "one, ""two""\r\nthree" \r\n\r\n# b,c\r\n , \r\nd,\r\n');
    assert.deepEqual(rows, [
      { line: 1, cells: ['name', 'note'] },
      { line: 2, cells: ['a', 'one, "two"\nthree'] },
      { line: 7, cells: ['d', ''] },
    ]);
    assert.deepEqual(parseCsv('a,b'), [{ line: 1, cells: ['a', 'b'] }]);
    assert.deepEqual(parseCsv(''), []);
  });

  for (const text of ['a\n"b\n', 'a\n"b"c\n', 'a\nb"c\n']) {
    it(`names the line where ${JSON.stringify(text)} ends to be CSV`, () => {
      assert.throws(
        () => parseCsv(text),
        (error) => error instanceof CsvError && error.line === 2,
      );
    });
  }
});
