import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { run } from '../testbed/processes.ts';
import { addSender, forward, mcm, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const END = Math.floor(Date.now() / 1000) - 60;
const POLICIES = { enforced_policies: ['0|security|security.egress-deny|deny|-1'], pending_policies: [] };

/** One flow with addresses, and one that was counted together with others. */
const FLOWS = [
  {
    ...{ start_time: END - 10, end_time: END, action: 'deny', reporter: 'src', proto: 'tcp', num_flows: 3 },
    ...{ source_namespace: 'store', source_name: 'checkout-5d9894c7-x2v4q', source_ip: '10.1.4.7', source_type: 'wep' },
    ...{ dest_namespace: '-', dest_name: '-', dest_name_aggr: 'pub', dest_ip: '203.0.113.9', dest_type: 'net' },
    ...{ dest_port: 443, policies: POLICIES },
  },
  {
    ...{ start_time: END - 9, end_time: END + 1, action: 'allow', reporter: 'dst', proto: 'tcp', num_flows: 12 },
    ...{ source_namespace: 'store', source_name: '-', source_name_aggr: 'frontend-754cdbf884-*', source_ip: null },
    ...{ dest_namespace: 'store', dest_name: '-', dest_name_aggr: 'redis-*', dest_ip: null, dest_port: 6379 },
    policies: { enforced_policies: ['0|default|store/default.redis|allow|0'], pending_policies: [] },
  },
];

const AT = ['--cluster', 'shown-eu', '--since', '1h'];

before(async () => {
  const sender = await addSender(workbench, 'shown-eu');
  const file = join(sender.folder, 'flows.log');
  writeFileSync(file, FLOWS.map((flow) => `${JSON.stringify(flow)}\n`).join(''));
  const { code, stderr } = await forward(workbench, sender, ['--flow', file]);
  assert.equal(code, 0, stderr);
  await workbench.elasticsearch.request('POST', '/_refresh');
});

/** What is printed for people who have no problems. */
async function shown(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await mcm(workbench, ['logs', ...AT, ...args]);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

/** The same on a terminal of 60 columns. */
async function onTerminal(command: string): Promise<readonly string[]> {
  const line = `stty cols 60; kubectl mcm ${command}`;
  const env = { ...workbench.env, LC_ALL: 'C.UTF-8', TERM: 'xterm' };
  const { code, stdout } = await run('script', ['-qec', line, '/dev/null'], { env });
  assert.equal(code, 0, stdout);
  return stdout.trimEnd().split('\r\n');
}

describe('logs show', () => {
  it('--numeric addresses, where there are any', async () => {
    const [denied = '', allowed = ''] = (await shown(['--numeric'])).split('\n');
    assert.match(denied, / {2}deny {3}10\.1\.4\.7 -> 203\.0\.113\.9 +tcp\/443 /);
    assert.match(allowed, / {2}allow {2}store\/frontend-754cdbf884-\* -> store\/redis-\* {2}tcp\/6379 /);
    assert.match(
      await shown([]),
      / {2}deny {3}store\/checkout-5d9894c7-x2v4q -> 203\.0\.113\.9 \(public\) {2}tcp\/443 /,
    );
    assert.match(await shown(['--numeric', '-o', 'wide']), / {3}10\.1\.4\.7 +203\.0\.113\.9 +tcp /);
    assert.equal(await shown(['--numeric', '-o', 'json']), await shown(['-o', 'json']));
  });

  it('--max-width columns, by themselves those of a terminal', async () => {
    const whole = (await shown([])).trimEnd().split('\n');
    assert.ok(whole.every(({ length }) => length > 100));
    const cut = (await shown(['--max-width', '50'])).trimEnd().split('\n');
    assert.deepEqual(
      cut.map((line) => line.replace(/(…|\.\.\.)$/, '')),
      whole.map((line, at) => line.slice(0, cut[at]?.endsWith('…') ? 49 : 47)),
    );
    const args = AT.join(' ');
    assert.deepEqual(
      await onTerminal(`logs ${args}`),
      whole.map((line) => `${line.slice(0, 59)}…`),
    );
    assert.deepEqual(await onTerminal(`logs ${args} --max-width 0`), whole);
    assert.deepEqual(await onTerminal(`logs ${args} | cat`), whole);
    const { code, stderr } = await mcm(workbench, ['logs', ...AT, '--max-width', 'wide']);
    assert.deepEqual(
      [code, stderr],
      [1, 'error: invalid argument "wide" for "--max-width" flag: must be a number of columns, or 0 for all\n'],
    );
  });
});
