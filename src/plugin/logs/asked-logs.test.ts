import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { dns } from '../../logs/types/dns.ts';
import { flows } from '../../logs/types/flows.ts';
import { negation } from '../parse.ts';
import { filterFor, printAsked } from './asked-logs.ts';

const docs = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'logs.md'), 'utf8');

it('a mistake in a query is shown as the documentation shows it', () => {
  assert.throws(
    () => filterFor(flows, 'action = deny AND dest_namspace = "store"', {}),
    ({ message }: Error) => docs.includes(`\nerror: ${message}\n`) || docs.includes(`\n${message}\n`),
  );
});

it('queries of the documentation are some', () => {
  const [, samples = ''] = /```text\n(dest_namespace = "store"[^`]*)```/.exec(docs) ?? [];
  const lines = samples.trimEnd().split('\n');
  assert.equal(lines.length, 4);
  for (const line of lines) assert.notEqual(filterFor(/client|servers/.test(line) ? dns : flows, line, {}), undefined);
});

it('what is asked for is printed as the documentation shows it', () => {
  const filter = filterFor(flows, undefined, { action: ['deny'], [negation('from-pod')]: ['store/frontend'] });
  const since = Date.UTC(2026, 10, 22);
  const shown = printAsked({ types: [{ type: flows, filter }], since, until: undefined, order: 'asc', tail: 100 });
  assert.ok(docs.includes(shown), `docs/logs.md should have\n${shown}`);
});
