import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kindOf } from './dead-letter.ts';

describe('the kind of a dead letter', () => {
  for (const [reason, kind] of [
    ['not a JSON object', 'not a JSON object'],
    [
      'no usable time in stageTimestamp or requestReceivedTimestamp',
      'no usable time in stageTimestamp or requestReceivedTimestamp',
    ],
    ['no usable time in time or @timestamp', 'no usable time in time or @timestamp'],
    ['nested more than 20 levels deep', 'nested more than 20 levels deep'],
    ['10485761 bytes in one line are too many', 'too long a line'],
    ['its time, 2031-01-01T00:00:00.000Z, is more than 12 hours ahead', 'its time is more than 12 hours ahead'],
    ['its day, 20251101, is older than the 8 days that are kept', 'its day is older than the days that are kept'],
    [
      "[1:36] failed to parse field [bytes_in] of type [long] in document with id 'x'. Preview of field's value: 'many': For input string: \"many\"",
      'bytes_in is no long',
    ],
    ['too long for Elasticsearch: [parent] Data too large', 'too long for Elasticsearch'],
    ['something else about hunter2', 'another reason'],
    ['not JSON hunter2', 'another reason'],
    ['no usable time in hunter2: x', 'another reason'],
  ] as const) {
    it(`of "${reason.slice(0, 60)}" is "${kind}"`, () => assert.equal(kindOf(reason), kind));
  }
});
