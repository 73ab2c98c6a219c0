import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { dayOf } from '../src/logs/record/time.ts';
import type { Outcome, ServerProcess } from '../testbed/processes.ts';
import { Follower } from './follower.ts';
import {
  addSender,
  apiServicesAre,
  eventually,
  grant,
  mcm,
  newFolder,
  post,
  type Sender,
  sharedWorkbench,
} from './harness.ts';
import { type OwnManagement, startOwnManagement } from './own-management.ts';

const shared = sharedWorkbench();
const MINUTE = 60_000;
const NOW = Math.floor(Date.now() / 1000) * 1000;
let own: OwnManagement;
let manager: ServerProcess;
const senders = new Map<string, Sender>();

before(async () => {
  own = await startOwnManagement(shared, 'whole');
  manager = await own.workbench.startManager({ flags: ['--spool', join(newFolder(shared, 'whole-spool'), 'spool')] });
  for (const name of ['whole-a', 'whole-b']) {
    senders.set(name, await addSender(own.workbench, name));
    await send(name, 'flows', { end_time: NOW / 1000, action: 'deny' });
    await send(name, 'flows', { end_time: (NOW - 50 * MINUTE) / 1000, action: 'deny' });
  }
  await shared.elasticsearch.request('POST', '/_refresh');
  await apiServicesAre(own.workbench, 'True');
});
after(async () => {
  await manager?.stop();
  await own?.cluster.stop();
});

async function send(cluster: string, type: 'flows' | 'gaps', record: object): Promise<void> {
  const { credentials } = senders.get(cluster) as Sender;
  const path = type === 'flows' ? '/api/v1/flows/logs/bulk' : '/api/v1/gaps/bulk';
  assert.equal((await post(credentials, path, `${JSON.stringify(record)}\n`)).code, 200);
}

async function logs(...args: string[]): Promise<Outcome> {
  return await mcm(own.workbench, ['logs', '-o', 'name', ...args]);
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

describe('an answer names', () => {
  it('the gaps in what was asked for, and no others', async () => {
    const [from, to] = [NOW - 40 * MINUTE, NOW - 30 * MINUTE];
    for (const count of [7, 5]) {
      await send('whole-a', 'gaps', {
        type: 'flows',
        from: iso(from),
        to: iso(to - count),
        count,
        reason: 'SpoolFull',
      });
    }
    await send('whole-b', 'gaps', { type: 'flows', from: iso(from), to: iso(to), reason: 'FileGone' });
    await send('whole-b', 'gaps', { type: 'dns', from: iso(from), to: iso(to), count: 1, reason: 'FileGone' });
    await shared.elasticsearch.request('POST', '/_refresh');
    const span = `of ${iso(from).replace('.000', '')} to ${iso(to).replace('.000', '')}`;
    const spanA = `of ${iso(from).replace('.000', '')} to ${iso(to - 5).replace(/\.\d+/, '')}`;
    const a = `warning: cluster "whole-a" has lost 12 flow records ${spanA} (SpoolFull)\n`;
    const b = `warning: cluster "whole-b" has lost flow records ${span} (FileGone)\n`;
    for (const [args, code, stderr] of [
      [['--cluster', 'whole-a', '--since', '1h'], 3, a],
      [['--cluster', 'whole-b', '--since', '1h'], 3, b],
      [['--cluster', 'whole-a,whole-b', '--since', '1h'], 3, a + b],
      [['--cluster', 'whole-a,whole-b', '--tail', '-1'], 3, a + b],
      [
        ['--cluster', 'whole-a,whole-b', '--since', iso(from), '--until', iso(from + 1)],
        3,
        `No resources found\n${a}${b}`,
      ],
      [['--cluster', 'whole-a,whole-b', '--since', iso(to + 1)], 0, ''],
      [['--cluster', 'whole-a', '--until', iso(from), '--tail', '5'], 0, ''],
      // The newest record is behind it, the one before is not.
      [['--cluster', 'whole-a', '--tail', '1'], 0, ''],
      [['--cluster', 'whole-a', '--tail', '2'], 3, a],
      [['--cluster', 'whole-a', '--type', 'dns', '--since', '1h'], 0, 'No resources found\n'],
    ] as const) {
      const found = await logs(...args);
      assert.deepEqual([found.code, found.stderr], [code, stderr], args.join(' '));
    }
    const strict = await logs('--cluster', 'whole-a', '--since', '1h', '--strict');
    const refusal = 'error: these logs cannot be shown as a whole, which --strict asks for\n';
    assert.deepEqual([strict.code, strict.stdout, strict.stderr], [1, '', a + refusal]);
  });

  it('gaps only to those who may read what is missing', async () => {
    await grant(own.workbench, 'wanda', { resources: ['whole-a'], resourceNames: ['flows'] });
    const { code, stderr } = await logs('--cluster', 'whole-a,whole-b', '--since', '1h', '--as', 'wanda');
    assert.equal(code, 3);
    assert.match(
      stderr,
      /^warning: cluster "whole-a" has lost 12 flow records [^\n]*\nwarning: flow logs of cluster "whole-b" are not shown: [^\n]* is forbidden: [^\n]*\n$/,
    );
  });

  it('what waits in the spool, for as long as it does', async (t) => {
    const index = `/tigera_secure_ee_flows.whole-a.${dayOf(NOW)}/_settings`;
    const block = async (on: boolean | null) =>
      await shared.elasticsearch.request('PUT', index, { 'index.blocks.write': on });
    t.after(() => block(null));
    const following = new Follower(
      own.workbench,
      ['--cluster', 'whole-a,whole-b', '--tail', '0', '-o', 'jsonpath={.n}'],
      t,
    );
    await block(true);
    const recent = ['--since', iso(NOW - MINUTE)];
    await send('whole-a', 'flows', { end_time: NOW / 1000, n: 'waited' });
    const behind = /^warning: cluster "whole-a" is behind by 1 flow record, in the manager's spool for \d+s\n$/;
    const told = async (...args: string[]) => {
      const { code, stderr } = await logs(...args, ...recent);
      return code === 3 && behind.test(stderr);
    };
    await eventually(() => told('--cluster', 'whole-a'));
    assert.ok(await told('--cluster', 'whole-a,whole-b'));
    assert.equal((await logs('--cluster', 'whole-b', ...recent)).code, 0);
    assert.equal((await logs('--cluster', 'whole-a', '--since', '7d', '--until', '2d')).code, 0);
    await following.prints(/^warning: cluster "whole-a" is behind by 1 flow record, /);
    await block(null);
    await following.prints('waited', 90_000);
    await following.prints('note: cluster "whole-a" is not behind with flow records any more');
    await send('whole-b', 'gaps', { type: 'flows', from: iso(NOW), to: iso(NOW + 1), count: 3, reason: 'FileGone' });
    await following.prints(/^warning: cluster "whole-b" has lost 3 flow records of \S+ to \S+ \(FileGone\)$/);
    await following.stop();
    // Gaps that arrived in the minute before are told as well.
    const said = following.lines.filter((line) => /behind|lost 3 /.test(line));
    const records = following.lines.filter((line) => line === 'waited');
    assert.deepEqual([said.length, records.length], [3, 1], following.lines.join('\n'));
  });
});
