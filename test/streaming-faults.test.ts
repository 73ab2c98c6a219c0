import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findingsTable } from '../bench/soak/finding.ts';
import { soakForwarder } from '../bench/soak/forwarder/forwarder-soak.ts';
import { freePorts } from '../testbed/processes.ts';
import { sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

describe('a seeded run of faults', () => {
  // `npm run soak -- forwarder` in small.
  it('loses nothing and repeats nothing', async (t) => {
    const [clusters = 0, api = 0, health = 0] = await freePorts(3);
    const findings = await soakForwarder({
      workbench,
      ports: { clusters, api, health },
      cluster: 'faulty',
      rounds: 2,
      seed: 20_261_123,
      seconds: 10,
      waitOutEvery: Number.POSITIVE_INFINITY,
      tell: (text) => t.diagnostic(text),
    });
    t.diagnostic(`\n${findingsTable(findings)}`);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });
});
