import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { alignColumns, formatTable, printable, printableJson, toYaml } from './print.ts';

describe('formatTable', () => {
  it('aligns as kubectl does', () => {
    const rows = [
      ['a', 'Receiving', '5s'],
      ['longer-name', 'Pending', '<never>'],
    ];
    assert.equal(
      formatTable(['NAME', 'STATUS', 'LAST SEEN'], rows),
      'NAME          STATUS      LAST SEEN\na             Receiving   5s\nlonger-name   Pending     <never>\n',
    );
  });
});

describe('alignColumns', () => {
  it('does not pad the last cell of a line, nor leave spaces at its end', () => {
    assert.equal(
      alignColumns(
        [
          ['a', 'b', ''],
          ['cc', 'd'],
        ],
        '  ',
      ),
      'a   b\ncc  d\n',
    );
  });
});

describe('toYaml', () => {
  it('writes documents without anchors, long lines or folding', () => {
    const shared = { a: 1 };
    const text = toYaml([{ one: shared, two: shared }, { text: 'x '.repeat(200) }]);
    assert.equal(text, `one:\n  a: 1\ntwo:\n  a: 1\n---\ntext: "${'x '.repeat(200)}"\n`);
  });
});

describe('printable', () => {
  it('shows what would steer a terminal', () => {
    assert.equal(printable('a\u001b[2J\u009b1mé\n'), 'a\\x1b[2J\\x9b1mé\\x0a');
    // Text that runs from right to left would show a line's cells in another order.
    assert.equal(printable('a\u202eb\u2069c\u2028'), 'a\\u202eb\\u2069c\\u2028');
    assert.equal(printableJson({ a: '\u202e' }), '{"a":"\\u202e"}');
    assert.equal(printableJson({ a: '\u001b\u009b\u007fé' }), '{"a":"\\u001b\\u009b\\u007fé"}');
  });
});
