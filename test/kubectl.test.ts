import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { addSender, eventually, forward, getObject, mcm, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

before(async () => {
  const sender = await addSender(workbench, 'plugged');
  const file = join(sender.folder, 'flows.log');
  const now = Date.now();
  writeFileSync(file, `${[...generateFlows({ seed: 9, count: 50, from: now - 600_000, to: now })].join('\n')}\n`);
  const { code, stderr } = await forward(workbench, sender, ['--flow', file]);
  assert.equal(code, 0, stderr);
  await workbench.elasticsearch.request('POST', '/_refresh');
});

describe('the real kubectl', () => {
  it('knows the plugin', async () => {
    assert.match(await workbench.mustKubectl(['plugin', 'list']), /\/kubectl-mcm$/m);
    assert.match(await workbench.mustKubectl(['mcm', 'version']), /^kubectl-mcm v\d+\.\d+\.\d+ \(Node.js v2\d/);
  });

  it('passes on what we say, and our exit code', async () => {
    for (const [args, code] of [
      [['nonsense'], 1],
      [[], 0],
      [['can-i', 'logs', '--cluster', 'plugged', '--as', 'nobody'], 1],
    ] as const) {
      const byKubectl = await workbench.kubectl(['mcm', ...args]);
      assert.equal(byKubectl.code, code);
      assert.deepEqual(byKubectl, await mcm(workbench, args));
    }
  });

  it('reads logs by itself', async () => {
    const text = await workbench.mustKubectl(['get', '--raw', '/apis/lma.tigera.io/v1/plugged/flows?limit=1']);
    const list = JSON.parse(text) as { kind: string; apiVersion: string; items: Record<string, unknown>[] };
    assert.deepEqual([list.kind, list.apiVersion, list.items.length], ['LogList', 'lma.tigera.io/v1', 1]);
    assert.equal(list.items[0]?.cluster, 'plugged');
    assert.equal(list.items[0]?.log_type, 'flows');
  });

  it('prints the columns of managed clusters', async () => {
    await eventually(async () =>
      /^plugged +Receiving +\d+s +\d+s$/m.test(await workbench.mustKubectl(['get', 'managedclusters'])),
    );
    assert.match(await workbench.mustKubectl(['get', 'managedclusters']), /^NAME +STATUS +LAST SEEN +AGE\n/);
  });

  it('sees the condition that Calico has for managed clusters', async () => {
    const { status } = await getObject<ManagedCluster>(workbench, 'managedcluster', 'plugged');
    const connected = status?.conditions?.find(({ type }) => type === 'ManagedClusterConnected');
    assert.equal(connected?.status, 'Unknown');
  });

  it('says that the aggregated API is available', async () => {
    const { status } = await getObject<{
      apiVersion: string;
      kind: string;
      metadata: { name: string };
      status: { conditions: { type: string; status: string }[] };
    }>(workbench, 'apiservice', 'v1.lma.tigera.io');
    assert.equal(status.conditions.find(({ type }) => type === 'Available')?.status, 'True');
    assert.match(await workbench.mustKubectl(['api-versions']), /^lma\.tigera\.io\/v1$/m);
  });

  it('lists managed clusters like the plugin, in every format', async () => {
    const name = await mcm(workbench, ['clusters', '-o', 'name']);
    assert.match(name.stdout, /^managedcluster\.kubectl-mcm\.io\/plugged$/m);
    const json = JSON.parse((await mcm(workbench, ['clusters', '-o', 'json'])).stdout) as {
      kind: string;
      items: ManagedCluster[];
    };
    assert.equal(json.kind, 'List');
    const item = json.items.find(({ metadata }) => metadata.name === 'plugged');
    assert.equal(item?.status?.phase, 'Receiving');
    const yaml = await mcm(workbench, ['clusters', '-o', 'yaml']);
    assert.match(yaml.stdout, /^apiVersion: v1\nitems:\n {2}- apiVersion: kubectl-mcm\.io\/v1\n/);
    const bare = await mcm(workbench, ['clusters', '--no-headers']);
    assert.doesNotMatch(bare.stdout, /NAME/);
  });
});

describe('logs', () => {
  it('shows the newest last, as many as asked for', async () => {
    const { stdout } = await mcm(workbench, ['logs', '--cluster', 'plugged', '--tail', '7', '-o', 'json']);
    const times = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { end_time: number }).end_time);
    assert.equal(times.length, 7);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    const all = await mcm(workbench, ['logs', '--cluster', 'plugged', '-o', 'json']);
    assert.equal(all.stdout.trim().split('\n').length, 50);
    assert.equal(all.stdout.endsWith(stdout), true);
  });

  it('shows only what is in the range', async () => {
    const read = async (...args: string[]) => {
      const { stdout } = await mcm(workbench, ['logs', '--cluster', 'plugged', '-o', 'json', ...args]);
      return stdout === ''
        ? []
        : stdout
            .trim()
            .split('\n')
            .map((line) => (JSON.parse(line) as { end_time: number }).end_time);
    };
    const all = await read();
    const middle = all[25] ?? 0;
    const at = new Date(middle * 1000).toISOString();
    assert.deepEqual(
      await read('--since', at),
      all.filter((time) => time >= middle),
    );
    assert.deepEqual(
      await read('--until', at),
      all.filter((time) => time < middle),
    );
    const lately = Date.now() - 300_000;
    const recent = await read('--since', '5m');
    assert.ok(recent.length > 0 && recent.length < 50);
    for (const time of recent) assert.ok(time * 1000 >= lately - 1000);
  });

  it('prints compact lines', async () => {
    const { stdout } = await mcm(workbench, ['logs', '--cluster', 'plugged'], { env: { TZ: 'UTC' } });
    const [line = ''] = stdout.split('\n');
    assert.match(
      line,
      /^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.000 {2}(allow|deny) +\S.* -> \S.* +(tcp|udp)\/\d+ +x\d+ +by \S+/,
    );
    assert.match(
      stdout,
      / {2}deny +store\/cart-6b687c8dcb-\w{5} -> payments\/gateway-58f9cd4b7-\w{5} +tcp\/8443 +x\d+ +by default\/payments\.gateway-ingress \(ingress, dst\)$/m,
    );
  });

  it('says so when there is nothing', async () => {
    const { code, stdout, stderr } = await mcm(workbench, ['logs', '--cluster', 'plugged', '--type', 'dns']);
    const where = 'in the last 15m. (--since says how far to look back)';
    assert.deepEqual([code, stdout, stderr], [0, '', `No resources found ${where}\n`]);
    const all = await mcm(workbench, ['logs', '--cluster', 'plugged', '--type', 'dns', '--tail', '5']);
    assert.deepEqual([all.code, all.stdout, all.stderr], [0, '', 'No resources found\n']);
  });

  it('stops quietly when its reader does', async () => {
    const { code, stderr } = await mcmInShell('kubectl mcm logs --cluster plugged -o json | head -n 1');
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('shows what would steer a terminal instead of sending it', async () => {
    const sender = await addSender(workbench, 'steering');
    const file = join(sender.folder, 'flows.log');
    const end = Math.floor(Date.now() / 1000);
    writeFileSync(
      file,
      `${JSON.stringify({ end_time: end, action: 'deny\u001b[2J', source_name: 'x\u009b31m', proto: 'tcp' })}\n`,
    );
    assert.equal((await forward(workbench, sender, ['--flow', file])).code, 0);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const { stdout } = await mcm(workbench, ['logs', '--cluster', 'steering']);
    assert.match(stdout, /deny\\x1b\[2J/);
    assert.match(stdout, /x\\x9b31m/);
    assert.doesNotMatch(stdout.trim(), /\p{Cc}/u);
  });
});

async function mcmInShell(line: string) {
  const { run } = await import('../testbed/processes.ts');
  return await run('bash', ['-o', 'pipefail', '-c', line], { env: workbench.env });
}
