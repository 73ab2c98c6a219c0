import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { soakIngest } from '../bench/soak/ingest-soak.ts';
import { sharedWorkbench } from './harness.ts';

describe('a spooling manager in trouble', () => {
  it('has each record once or as a dead letter, whatever is killed, frozen or full meanwhile', async (t) => {
    const findings = await soakIngest({
      workbench: sharedWorkbench(),
      prefix: 'spool-soak',
      clusters: 3,
      // Every fault comes up once.
      seconds: 40,
      seed: 20_261_123,
      tell: (text) => t.diagnostic(text),
    });
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });
});
