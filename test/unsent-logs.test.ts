import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { addSender, credentialsFolder, forward, grant, mcm, sharedWorkbench } from './harness.ts';
import { SlowWire } from './slow-wire.ts';

const workbench = sharedWorkbench();
const NOW = Date.now();

describe('logs that a forwarder has still to send', () => {
  it('are told of, by whoever may read them, until they have come', async (t) => {
    const sender = await addSender(workbench, 'unsent');
    const log = join(sender.folder, 'flows.log');
    const range = { from: NOW - 3_600_000, to: NOW - 600_000 };
    // The last line is being written: nobody is to wait for it.
    writeFileSync(log, `${[...generateFlows({ seed: 3, count: 3_000, ...range })].join('\n')}\n{"end_time":`);
    // Slow enough for it to be ended in the middle.
    const wire = await SlowWire.start(sender.credentials.address, { requests: 300, answers: 0 });
    t.after(() => wire.stop());
    const credentials = credentialsFolder(sender.folder, sender.credentials, { address: wire.address });
    const always = ['forward', '--once', '--state', join(sender.folder, 'state'), '--host', 'node-1', '--flow', log];
    let pid = 0;
    const ended = await mcm(workbench, [...always, '--credentials', credentials, '--chunk-bytes', '65536', '-v', '2'], {
      onStart: (child) => {
        pid = child.pid ?? 0;
      },
      onOutput: (text) => {
        if (text.includes('acknowledged up to')) process.kill(pid, 'SIGKILL');
      },
    });
    assert.equal(ended.signal, 'SIGKILL');
    await workbench.elasticsearch.request('POST', '/_refresh');

    const args = ['logs', '--cluster', 'unsent', '--since', '2h', '--tail', '1', '-o', 'name'];
    const part = await mcm(workbench, args);
    assert.equal(part.code, 3, part.stderr);
    const told =
      /^warning: cluster "unsent" has still to send [\d.]+[KM]iB of flow logs; those newer than (\S+Z) may be missing\n$/;
    assert.match(part.stderr, told);
    const [, newest = ''] = told.exec(part.stderr) ?? [];
    assert.ok(Date.parse(newest) >= range.from - 1000 && Date.parse(newest) < range.to, newest);
    assert.equal((await mcm(workbench, [...args, '--strict'])).code, 1);
    // What was asked for has come, or is of another type.
    const before = await mcm(workbench, [...args, '--until', newest]);
    assert.deepEqual([before.code, before.stderr.includes('still to send')], [0, false]);
    assert.equal((await mcm(workbench, [...args, '--type', 'dns'])).code, 0);
    await grant(workbench, 'asker-of-dns', { resources: ['unsent'], resourceNames: ['dns'] });
    const other = await mcm(workbench, [...args, '--as', 'asker-of-dns']);
    assert.deepEqual([other.code, other.stderr.includes('still to send')], [1, false]);

    assert.equal((await forward(workbench, sender, ['--flow', log])).code, 0);
    const whole = await mcm(workbench, args);
    assert.deepEqual([whole.code, whole.stderr], [0, '']);
  });
});
