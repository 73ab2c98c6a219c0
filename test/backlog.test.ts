import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { soakBacklog } from '../bench/soak/backlog-soak.ts';
import { findingsTable } from '../bench/soak/finding.ts';
import { sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

describe('a backlog', () => {
  // `npm run soak -- backlog` in small.
  it('is caught up with in the same memory from its beginning to its end', async (t) => {
    const findings = await soakBacklog({ workbench, lines: 300_000, tell: (text) => t.diagnostic(text) });
    t.diagnostic(`\n${findingsTable(findings)}`);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });
});
