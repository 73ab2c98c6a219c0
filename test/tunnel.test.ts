import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import type { ServerProcess } from '../testbed/processes.ts';
import { addSender, eventually, getObject, mcm, type Sender, sharedWorkbench } from './harness.ts';
import { TcpProxy } from './proxies.ts';

const workbench = sharedWorkbench();
const [managed] = workbench.facts.managed;
assert.ok(managed);

async function statusOf(cluster: string) {
  return (await getObject<ManagedCluster>(workbench, 'managedcluster', cluster)).status ?? {};
}

async function connectedOf(cluster: string): Promise<string | undefined> {
  const { conditions = [] } = await statusOf(cluster);
  return conditions.find(({ type }) => type === 'ManagedClusterConnected')?.status;
}

async function tableRow(cluster: string): Promise<string> {
  const { stdout } = await mcm(workbench, ['clusters']);
  return stdout.split('\n').find((line) => line.startsWith(`${cluster} `)) ?? '';
}

function startAgent(t: TestContext, sender: Sender, ...flags: string[]): ServerProcess {
  const agent = workbench.startAgent({
    context: managed?.name ?? '',
    manifest: sender.manifest,
    logName: `${sender.cluster}-${Math.random()}`,
    flags,
  });
  t.after(() => agent.stop());
  return agent;
}

describe('a tunnel', () => {
  it('connects, says what it connects, and is missed when it is gone', async (t) => {
    const sender = await addSender(workbench, 'tunnel');
    await eventually(async () => (await connectedOf('tunnel')) === 'Unknown');
    const agent = startAgent(t, sender);
    await eventually(async () => (await connectedOf('tunnel')) === 'True');
    assert.match(await tableRow('tunnel'), /^tunnel +Connected /);
    await eventually(async () => (await statusOf('tunnel')).calicoVersion !== undefined);
    const { calicoVersion, namespaces, connection } = await statusOf('tunnel');
    assert.equal(calicoVersion, 'v3.32.1');
    assert.ok((namespaces ?? 0) >= 4, String(namespaces));
    assert.deepEqual([connection?.address, connection?.reconnects], ['127.0.0.1', 0]);

    const killed = Date.now();
    await agent.stop('SIGKILL');
    await eventually(async () => (await connectedOf('tunnel')) === 'False');
    t.diagnostic(`Disconnected ${Date.now() - killed} ms after SIGKILL`);
    assert.match(await tableRow('tunnel'), /^tunnel +Disconnected /);

    startAgent(t, sender);
    await eventually(async () => (await connectedOf('tunnel')) === 'True');
    assert.equal((await statusOf('tunnel')).connection?.reconnects, 1);
  });

  it('is missed when the network is cut without a word, and comes back', async (t) => {
    const sender = await addSender(workbench, 'half-open');
    const proxy = await TcpProxy.start(workbench.facts.managerPorts.clusters);
    t.after(() => proxy.stop());
    startAgent(t, sender, '--address', `127.0.0.1:${proxy.port}`);
    await eventually(async () => (await connectedOf('half-open')) === 'True');
    proxy.cut();
    await eventually(async () => (await connectedOf('half-open')) === 'False', 60_000);
    const { conditions = [], connection, lastSeen = '' } = await statusOf('half-open');
    assert.match(conditions[0]?.message ?? '', /nothing came for 10 s/);
    // By the manager's own clock.
    const silent = Date.parse(connection?.since ?? '') - Date.parse(lastSeen);
    assert.ok(silent >= 10_000 && silent < 15_000, `Disconnected after ${silent} ms of silence`);
    proxy.mend();
    await eventually(async () => (await connectedOf('half-open')) === 'True', 60_000);
  });
});
