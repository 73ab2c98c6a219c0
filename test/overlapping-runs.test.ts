import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { addSender, credentialsFolder, mcm, sharedWorkbench } from './harness.ts';
import { SlowWire } from './slow-wire.ts';

const workbench = sharedWorkbench();
const RECORDS = 5_000;

describe('a forwarder that cron starts while the one before is still at work', () => {
  it('says so, does nothing, and does not disturb it', async (t) => {
    const sender = await addSender(workbench, 'overlapping');
    const wire = await SlowWire.start(sender.credentials.address, { requests: 50, answers: 50 });
    t.after(() => wire.stop());
    const credentials = credentialsFolder(sender.folder, sender.credentials, { address: wire.address });
    const log = join(sender.folder, 'flows.log');
    const now = Date.now();
    writeFileSync(log, `${[...generateFlows({ seed: 8, count: RECORDS, from: now - 60_000, to: now })].join('\n')}\n`);
    const state = join(sender.folder, 'state');
    const args = ['forward', '--once', '--credentials', credentials, '--state', state, '--flow', log];
    const seconds: Promise<void>[] = [];
    const second = async () => {
      const { code, stdout, stderr } = await mcm(workbench, args);
      assert.deepEqual([code, stdout], [3, '']);
      assert.match(
        stderr,
        /^error: another "kubectl mcm forward" is at work with the state directory \S+\/state\nnothing was done: wait until that one has ended, or give this one a directory of its own with --state\n$/,
      );
    };
    const first = await mcm(workbench, [...args, '--chunk-bytes', '65536', '-v', '2'], {
      onOutput: (text) => {
        if (text.includes('acknowledged up to') && seconds.length < 3) seconds.push(second());
      },
    });
    await Promise.all(seconds);
    assert.equal(seconds.length, 3);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, new RegExp(`^overlapping: ${RECORDS} records shipped`));
    const { positions } = JSON.parse(readFileSync(join(state, 'checkpoint.json'), 'utf8')) as {
      positions: { offset: number }[];
    };
    assert.deepEqual(
      positions.map(({ offset }) => offset),
      [readFileSync(log).length],
    );
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.overlapping.*'), RECORDS);
  });
});
