import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure, parseStatus, StatusError } from './status.ts';

// The lines that kubectl 1.33 prints for the same answers.
describe('StatusError', () => {
  for (const [status, line] of [
    [
      failure(404, 'NotFound', 'managedclusters.projectcalico.org "nope" not found'),
      'Error from server (NotFound): managedclusters.projectcalico.org "nope" not found',
    ],
    [
      failure(500, 'InternalError', 'Internal error occurred: boom'),
      'Error from server (InternalError): Internal error occurred: boom',
    ],
    [failure(401, 'Unauthorized', 'Unauthorized'), 'error: You must be logged in to the server (Unauthorized)'],
    [
      failure(422, 'Invalid', 'x', { kind: 'Pod', name: 'p', causes: [{ field: 'spec', message: 'Required' }] }),
      'The Pod "p" is invalid: spec: Required',
    ],
    [
      failure(422, 'Invalid', 'x', {
        kind: 'Pod',
        name: 'p',
        causes: [
          { field: 'a', message: 'A' },
          { field: 'b', message: 'B' },
        ],
      }),
      'The Pod "p" is invalid: \n* a: A\n* b: B',
    ],
    [failure(422, 'Invalid', 'everything'), 'The request is invalid: everything'],
  ] as const) {
    it(line, () => assert.equal(new StatusError(status).message, line));
  }
});

describe('parseStatus', () => {
  it('takes an answer that is no Status for what it is', () => {
    assert.deepEqual(
      parseStatus(503, 'service unavailable\n'),
      failure(503, 'ServiceUnavailable', 'service unavailable'),
    );
    assert.deepEqual(parseStatus(404, '<html>'), failure(404, 'NotFound', '<html>'));
    assert.deepEqual(
      parseStatus(404, '404 page not found\n'),
      failure(404, 'NotFound', 'the server could not find the requested resource'),
    );
    assert.deepEqual(parseStatus(502, ''), failure(502, 'InternalError', 'the server answered 502'));
  });
});
