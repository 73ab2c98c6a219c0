import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, renameSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { addSender, type ForwardReport, forward, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

describe('log files that are rotated between two runs', () => {
  let sender: Sender;
  let log = '';
  let seed = 0;
  let written = 0;

  before(async () => {
    sender = await addSender(workbench, 'rotated');
    log = join(sender.folder, 'flows.log');
  });

  const write = (count: number) => {
    const now = Date.now();
    const records = [...generateFlows({ seed: ++seed, count, from: now - 60_000, to: now })];
    appendFileSync(log, `${records.join('\n')}\n`);
    written += count;
  };

  /** Everything that was ever written is in Elasticsearch, and nothing of it twice. */
  const ship = async (what: string, path = log) => {
    const { code, stdout, stderr } = await forward(workbench, sender, ['--flow', path, '-o', 'json']);
    assert.deepEqual([code, stderr], [0, ''], what);
    const [type] = (JSON.parse(stdout) as ForwardReport).types;
    assert.deepEqual([type?.known, type?.leftBytes], [0, 0], what);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.rotated.*'), written, what);
  };

  it('are shipped to their end, whichever way they are rotated', async () => {
    write(200);
    await ship('first');
    write(100);
    renameSync(log, `${log}.1`);
    write(50);
    await ship('renamed');
    write(100);
    renameSync(`${log}.1`, `${log}.2`);
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
    write(50);
    await ship('copied and truncated');
    for (let turn = 0; turn < 3; turn++) {
      write(30);
      for (let depth = 4; depth >= 1; depth--) {
        if (turn + 2 >= depth) renameSync(`${log}.${depth}`, `${log}.${depth + 1}`);
      }
      renameSync(log, `${log}.1`);
      write(20);
    }
    await ship('rotated three times, and found by a pattern', `${log}*`);
  });

  it('are named with what is lost when nothing is left of them', async () => {
    await ship('all but what comes now');
    write(10);
    unlinkSync(log);
    write(10);
    const { code, stderr } = await forward(workbench, sender, ['--flow', log]);
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^warning: the file that was at \S+\/flows\.log on \S+ is not there any more, nor beside it under another name: what was written to it after that, if anything, was not shipped\n$/,
    );
  });
});
