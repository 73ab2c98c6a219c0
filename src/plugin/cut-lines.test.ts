import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cutLines } from './cut-lines.ts';
import { coloured } from './logs/colours.ts';

describe('lines of so many columns', () => {
  for (const [what, text, width, mark, cut] of [
    ['that fit', 'abcde\nabc\n', 5, '…', 'abcde\nabc\n'],
    ['that are longer', 'abcdef\nabc\n', 5, '…', 'abcd…\nabc\n'],
    ['with a mark of more characters', 'abcdefgh\n', 5, '...', 'ab...\n'],
    ['that are shorter than the mark', 'abcdefgh\n', 2, '...', '..\n'],
    ['of characters with two columns', 'a日本語\n', 6, '…', 'a日本…\n'],
    ['of emoji', '🚀🚀🚀\n', 5, '…', '🚀🚀…\n'],
    ['of letters with marks', 'e\u0301e\u0301e\u0301\n', 3, '…', 'e\u0301e\u0301e\u0301\n'],
  ] as const) {
    it(what, () => assert.equal(cutLines(text, width, mark), cut));
  }

  it('with colours, which take no room and end', () => {
    const name = coloured('prod-eu');
    assert.equal(cutLines(`${name} abc\n`, 11, '…'), `${name} abc\n`);
    assert.equal(cutLines(`${name} abc\n`, 4, '…'), `${name.replace('prod-eu', 'pro…')}\n`);
  });
});
