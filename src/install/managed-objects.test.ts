import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { MANAGED_MANIFESTS } from '../../fixtures/managed.ts';

describe('what install managed makes', () => {
  for (const [name, text] of Object.entries(MANAGED_MANIFESTS)) {
    it(`is what ${name} says ("node fixtures/managed.ts" writes it anew)`, () => {
      assert.equal(text, readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', name), 'utf8'));
    });
  }
});
