import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findingsTable } from '../bench/soak/finding.ts';
import { INSPECTABLE } from '../bench/soak/inspector.ts';
import { soakTunnels } from '../bench/soak/tunnel-soak.ts';
import { freePorts } from '../testbed/processes.ts';
import { sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

describe('a fleet of Guardians', () => {
  // `npm run soak -- tunnel` in small, before a manager of its own.
  it('connects, comes back when the manager was killed, and loses nothing while connections fail', async (t) => {
    const [clusters = 0, api = 0, health = 0] = await freePorts(3);
    const ports = { clusters, api, health };
    const findings = await soakTunnels({
      workbench,
      ports,
      startManager: () => workbench.startManager({ ports, env: INSPECTABLE }),
      prefix: 'guardians',
      agents: 200,
      senders: 10,
      seconds: 20,
      faultsPerSecond: 2,
      rest: 2,
      patience: 60,
      tell: (text) => t.diagnostic(text),
    });
    t.diagnostic(`\n${findingsTable(findings)}`);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });
});
