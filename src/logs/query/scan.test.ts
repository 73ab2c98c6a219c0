import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { dns } from '../types/dns.ts';
import { flows } from '../types/flows.ts';
import { type LogQuery, parseParameters } from './log-query.ts';
import { MOST_SCANNED, mostToScan, scanTooWide } from './scan.ts';

function asking(text: string | undefined, type = flows): LogQuery {
  const parameters = new URLSearchParams(text === undefined ? {} : { query: text });
  return { clusters: ['prod-eu'], types: [type], ...parseParameters(parameters, [type]) };
}

describe('how much a query may look through', () => {
  for (const [text, most] of [
    [undefined, undefined],
    ['action = deny', 1000],
    ['source_name IN {"web-*", "w*b"}', 1000],
    ['source_name = "*web"', 1000],
    ['source_name IN {"\\*web"}', 1000],
    ['source_name IN {"*"}', 1000],
    ['source_name IN {"*web"}', 100],
    // There are few policies: every flow that met one is found by --policy, which looks for such patterns.
    ['"policies.enforced_policies" IN {"*|*|store/redis-only|*|*"}', 1000],
    ['action = deny AND NOT (source_name IN {"web", "?eb"} OR dest_port = 80)', 100],
  ] as const) {
    it(`${text}: ${most}`, () => {
      assert.equal(mostToScan(asking(text), 1000), most);
      assert.equal(mostToScan(asking(text), 0), undefined);
    });
  }

  it('is less for labels that are read in each record, the less the more labels', () => {
    const one = asking('client_labels = "app=web"', dns);
    assert.equal(mostToScan(one, 1000), 20);
    assert.equal(mostToScan(asking('NOT (client_labels IN {"app=*", "a=b"} AND qtype = A)', dns), 1000), 10);
    assert.match(
      scanTooWide(one, 21, 20).message,
      /: ask for a shorter time \(since, until\) or no client_labels, which every record is read for$/,
    );
  });

  it('is told as the documentation tells it', () => {
    const docs = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'manager.md'), 'utf8');
    assert.ok(docs.includes(`\n${scanTooWide(asking('action = deny'), 240_118_553, MOST_SCANNED).message}\n`));
  });

  it('is told with what to narrow', () => {
    const { message } = scanTooWide(asking('source_name IN {"*web"}'), 12_345_678, 1_000_000);
    assert.equal(
      message,
      'too much to look through: 12,345,678 records of flow logs of cluster "prod-eu" are of that time, and 1,000,000 are the most for such a query: ask for a shorter time (since, until) or patterns that do not begin with a wildcard, as "*web" does',
    );
  });
});
