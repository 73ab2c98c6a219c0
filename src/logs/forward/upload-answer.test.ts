import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readUploadAnswer } from './upload-answer.ts';

describe('readUploadAnswer', () => {
  it('takes an answer that accounts for every record', () => {
    const answer = { accepted: 3, known: 1, setAside: 2, reasons: [{ offset: 5, reason: 'not JSON' }] };
    assert.deepEqual(readUploadAnswer(JSON.stringify(answer), 5), answer);
    assert.deepEqual(readUploadAnswer('{"accepted":1}', 1), { accepted: 1, known: 0, setAside: 0, reasons: [] });
  });

  for (const [text, words] of [
    ['{"accepted":4}', /acknowledged 4 of 5 records/],
    ['{"accepted":6}', /acknowledged 6 of 5 records/],
    ['null', /acknowledged 0 of 5 records/],
    ['{"accepted":5', /cannot be read/],
    ['', /cannot be read/],
    ['{"accepted":"5"}', /is none to an upload/],
    ['{"accepted":6,"setAside":-1}', /is none to an upload/],
    ['{"accepted":5,"known":null}', /is none to an upload/],
    ['{"accepted":5,"reasons":null}', /is none to an upload/],
    ['{"accepted":5,"reasons":[null]}', /is none to an upload/],
    ['{"accepted":4,"setAside":1,"reasons":[{"offset":"1"}]}', /is none to an upload/],
  ] as const) {
    it(`takes no ${text === '' ? 'empty answer' : text} for five records`, () => {
      assert.throws(() => readUploadAnswer(text, 5), words);
    });
  }
});
