import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { Random } from '../fixtures/random.ts';
import { addSender, credentialsFolder, mcm, sharedWorkbench } from './harness.ts';
import { SlowWire } from './slow-wire.ts';

const workbench = sharedWorkbench();
const RECORDS = 10_000;
const KILLS = 10;
const CHUNK = 256 * 1024;
/** Milliseconds on the wire: longer than all else, so that a kill finds uploads that never arrive, and answers. */
const DELAY = { requests: 300, answers: 100 };

describe('a forwarder that is killed', () => {
  it('loses nothing and repeats nothing, ten times over', async (t) => {
    const sender = await addSender(workbench, 'killed');
    const wire = await SlowWire.start(sender.credentials.address, DELAY);
    t.after(() => wire.stop());
    const credentials = credentialsFolder(sender.folder, sender.credentials, { address: wire.address });
    const state = join(sender.folder, 'state');
    const random = new Random(20_261_122);
    const index = 'tigera_secure_ee_flows.killed.*';
    for (let round = 1; round <= KILLS; round++) {
      const log = join(sender.folder, `flows-${round}.log`);
      const now = Date.now();
      const records = [...generateFlows({ seed: round, count: RECORDS, from: now - 3_600_000, to: now })];
      writeFileSync(log, `${records.join('\n')}\n`);
      const size = readFileSync(log).length;
      const args = ['forward', '--once', '--state', state, '--host', 'node-1', '--flow', log];
      const chunks = Math.floor(size / CHUNK);
      const killAfter = random.between(1, chunks - 10);
      const delay = random.between(0, DELAY.requests + DELAY.answers);

      const slow = ['--credentials', credentials, '--chunk-bytes', String(CHUNK), '-v', '2'];
      let acknowledgements = 0;
      let pid = 0;
      let timer: NodeJS.Timeout | undefined;
      const killed = await mcm(workbench, [...args, ...slow], {
        onStart: (child) => {
          pid = child.pid ?? 0;
        },
        onOutput: (text) => {
          acknowledgements += text.match(/acknowledged up to/g)?.length ?? 0;
          if (acknowledgements < killAfter || timer !== undefined) return;
          // kubectl has become our process by exec, so this is the forwarder itself.
          timer = setTimeout(() => process.kill(pid, 'SIGKILL'), delay);
        },
      });
      assert.equal(killed.signal, 'SIGKILL', `round ${round}: killed while it ran`);
      assert.equal(killed.stdout, '', 'it had no time for a summary');
      const offset = acknowledgedOffset(sender.folder, log);
      assert.ok(offset > 0, `round ${round}: after its first acknowledgement`);
      assert.ok(offset < size, `round ${round}: before its last one (${offset} of ${size} bytes)`);

      const again = await mcm(workbench, [...args, '--credentials', sender.manifest]);
      assert.equal(again.code, 0, again.stderr);
      assert.equal(acknowledgedOffset(sender.folder, log), size);
      assert.equal(await workbench.elasticsearch.count(index), RECORDS * round, `round ${round}`);
    }
    // Otherwise nothing of the above would show that only what was acknowledged is remembered.
    assert.ok(wire.lostRequests >= 2, `${wire.lostRequests} connections were cut with uploads on the wire`);
    assert.ok(wire.lostAnswers >= 1, `${wire.lostAnswers} connections were cut with answers on the wire`);
  });
});

function acknowledgedOffset(folder: string, path: string): number {
  const file = join(folder, 'state', 'checkpoint.json');
  if (!existsSync(file)) return 0;
  const { positions } = JSON.parse(readFileSync(file, 'utf8')) as { positions: { path: string; offset: number }[] };
  return positions.find((position) => position.path === path)?.offset ?? 0;
}
