import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogQuery } from '../logs/query/log-query.ts';
import { dns } from '../logs/types/dns.ts';
import { flows } from '../logs/types/flows.ts';
import { UnsentLogs } from './unsent-logs.ts';

const NOW = Date.UTC(2026, 10, 22, 18);
const MINUTE = 60_000;

/** An upload of a file, with the newest record that was in it. */
function noting(unsent: UnsentLogs, offset: number, left: number, { file = 'a', host = 'n', age = 0, at = NOW } = {}) {
  const source = { cluster: 'prod-eu', host, position: { fileKey: file, offset, unsent: left } };
  unsent.note(source, flows, at - age, at);
}

function asked(unsent: UnsentLogs, query: Partial<LogQuery> = {}, now = NOW) {
  const all = { clusters: ['prod-eu', 'prod-us'], types: [dns, flows], since: undefined, until: undefined };
  return unsent.within({ ...all, ...query } as LogQuery, now);
}

describe('what forwarders have still to send', () => {
  it('is of all their files together, from the oldest that any has come to', () => {
    const unsent = new UnsentLogs();
    noting(unsent, 0, 100, { age: 20 * MINUTE });
    noting(unsent, 0, 50, { age: 30 * MINUTE, host: 'm' });
    noting(unsent, 0, 0, { age: 40 * MINUTE, file: 'sent' });
    const newest = new Date(NOW - 30 * MINUTE).toISOString();
    assert.deepEqual(asked(unsent), [{ kind: 'Unsent', cluster: 'prod-eu', type: 'flows', newest, bytes: 150 }]);
    assert.deepEqual(asked(unsent, { types: [dns] }), []);
    assert.deepEqual(asked(unsent, { clusters: ['prod-us'] }), []);
    // What has come is all of the time before.
    assert.equal(asked(unsent, { until: NOW - 25 * MINUTE })[0]?.bytes, 50);
    assert.deepEqual(asked(unsent, { until: NOW - 30 * MINUTE }), []);
  });

  it('is nothing where what came last is new, or all of it has come', () => {
    const unsent = new UnsentLogs();
    noting(unsent, 0, 100, { age: 5_000 });
    assert.deepEqual(asked(unsent), []);
    assert.equal(asked(unsent, {}, NOW + 2 * MINUTE).length, 1);
    noting(unsent, 100, 0, { age: 20 * MINUTE });
    assert.deepEqual(asked(unsent), []);
    // The upload before was under way for longer.
    noting(unsent, 50, 50, { age: 20 * MINUTE });
    assert.deepEqual(asked(unsent), []);
    // The file has begun anew.
    noting(unsent, 50, 50, { age: 20 * MINUTE, at: NOW + 2 * MINUTE });
    assert.equal(asked(unsent).length, 1);
  });

  it('is forgotten an hour after the last word, and where there are too many files', () => {
    const unsent = new UnsentLogs();
    noting(unsent, 0, 100, { age: 20 * MINUTE });
    assert.equal(asked(unsent, {}, NOW + 59 * MINUTE).length, 1);
    assert.deepEqual(asked(unsent, {}, NOW + 60 * MINUTE), []);
    for (let file = 0; file < 5_000; file++) noting(unsent, 0, 1, { file: String(file), age: 20 * MINUTE });
    assert.equal(asked(unsent)[0]?.bytes, 2_000);
  });

  it('is not known of shippers that do not say', () => {
    const unsent = new UnsentLogs();
    unsent.note({ cluster: 'prod-eu', host: 'n', position: undefined }, flows, 0, NOW);
    unsent.note({ cluster: 'prod-eu', host: 'n', position: { fileKey: 'a', offset: 0 } }, flows, 0, NOW);
    assert.deepEqual(asked(unsent), []);
  });
});
