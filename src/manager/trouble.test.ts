import assert from 'node:assert/strict';
import { it } from 'node:test';
import { troubleOf } from './trouble.ts';

it('a trouble that Elasticsearch words itself loses what it quotes', () => {
  const immense = 'i: Document contains at least one immense term in field="qname" (prefix: \'[104, 117]\')';
  assert.deepEqual(troubleOf({ fault: 'Unknown', message: immense }), {
    reason: 'Unknown',
    message: 'i: Document contains at least one immense term in field=…',
  });
  const closed = { fault: 'IndexClosed', message: "i: it's closed" } as const;
  assert.deepEqual(troubleOf(closed), { reason: 'IndexClosed', message: "i: it's closed" });
});
