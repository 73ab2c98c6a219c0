import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { flows } from '../../logs/types/flows.ts';
import { negation } from '../parse.ts';
import { filterFor, printAsked } from './asked-logs.ts';

it('what is asked for is printed as the documentation shows it', () => {
  const docs = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'logs.md'), 'utf8');
  const filter = filterFor(flows, undefined, { action: ['deny'], [negation('from-pod')]: ['store/frontend'] });
  const since = Date.UTC(2026, 10, 22);
  const shown = printAsked({ types: [{ type: flows, filter }], since, until: undefined, order: 'asc', tail: 100 });
  assert.ok(docs.includes(shown), `docs/logs.md should have\n${shown}`);
});
