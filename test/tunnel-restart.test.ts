// What the status says when managers and agents stop, halt and come back; of two managers, side by side.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { freePorts, type ServerProcess } from '../testbed/processes.ts';
import { addSender, eventually, getObject, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const [managed] = workbench.facts.managed;
assert.ok(managed);

interface State {
  readonly connected: string | undefined;
  readonly message: string;
  /** When that last changed. */
  readonly changed: string;
  readonly version: string | undefined;
  readonly manager: string | undefined;
}

async function stateOf({ cluster }: Sender): Promise<State> {
  const { metadata, status } = await getObject<ManagedCluster>(workbench, 'managedcluster', cluster);
  const condition = status?.conditions?.find(({ type }) => type === 'ManagedClusterConnected');
  const { status: connected, message = '', lastTransitionTime: changed = '' } = condition ?? {};
  return { connected, message, changed, version: metadata.resourceVersion, manager: status?.connection?.manager };
}

async function until(sender: Sender, connected: string, timeout = 60_000): Promise<State> {
  await eventually(async () => (await stateOf(sender)).connected === connected, timeout);
  return await stateOf(sender);
}

/** Its status stays True and is not written all the time: but perhaps for what was to be learned, and "last seen". */
async function leftAlone(sender: Sender): Promise<void> {
  const learned = async () =>
    (await getObject<ManagedCluster>(workbench, 'managedcluster', sender.cluster)).status?.calicoVersion !== undefined;
  await eventually(learned);
  // Managers look once a second.
  const states: State[] = [];
  for (let look = 0; look < 12; look++) {
    states.push(await stateOf(sender));
    await sleep(500);
  }
  const versions = new Set(states.map(({ version }) => version));
  assert.ok(versions.size <= 3, `two managers write over each other: ${[...versions]}`);
  assert.deepEqual(new Set(states.map(({ connected }) => connected)), new Set(['True']));
}

function startAgent(t: TestContext, { cluster, manifest }: Sender, ...flags: string[]): ServerProcess {
  const agent = workbench.startAgent({ context: managed?.name ?? '', manifest, logName: cluster, flags });
  t.after(() => agent.stop('SIGKILL'));
  return agent;
}

describe('the status of a tunnel', { concurrency: true }, () => {
  it('is true again after a restart of the manager, and another manager leaves it alone', async (t) => {
    const [back, gone] = [await addSender(workbench, 'comes-back'), await addSender(workbench, 'stays-away')];
    const [clusters = 0, api = 0, health = 0] = await freePorts(3);
    const ports = { clusters, api, health };
    let manager = await workbench.startManager({ ports });
    t.after(() => manager.stop());
    const flags = ['--address', `127.0.0.1:${clusters}`];
    startAgent(t, back, ...flags);
    const leaving = startAgent(t, gone, ...flags);
    const before = await until(back, 'True');
    await until(gone, 'True');
    assert.match(before.manager ?? '', new RegExp(`:${clusters}$`));
    await leftAlone(back);

    await manager.stop('SIGKILL');
    await leaving.stop('SIGKILL');
    const started = Date.now();
    manager = await workbench.startManager({ ports });
    const ready = Date.now();
    assert.equal((await stateOf(gone)).connected, 'True');
    const after = await until(gone, 'False');
    assert.equal(after.message, 'It has not come back since the manager was started.');
    // In whole seconds, by the manager's clock.
    const changed = Date.parse(after.changed);
    assert.ok(changed - started > 14_000 && changed - ready < 20_000, `${changed - started}, ${changed - ready} ms`);
    const now = await stateOf(back);
    assert.deepEqual([now.connected, now.changed], ['True', before.changed], 'it has been True all the time');
    const { reconnects } =
      (await getObject<ManagedCluster>(workbench, 'managedcluster', back.cluster)).status?.connection ?? {};
    assert.equal(reconnects, 1);
  });

  it('of an agent that is halted is False, with the reason, and True once it goes on', async (t) => {
    const sender = await addSender(workbench, 'halted');
    const agent = startAgent(t, sender);
    await until(sender, 'True');
    process.kill(agent.pid ?? 0, 'SIGSTOP');
    assert.match((await until(sender, 'False')).message, /^The tunnel was closed: nothing came for 10 s\.$/);
    process.kill(agent.pid ?? 0, 'SIGCONT');
    assert.equal((await until(sender, 'True')).message, 'The tunnel is open.');
  });

  it('goes with the cluster to another manager, and the first says nothing of it', async (t) => {
    const sender = await addSender(workbench, 'moves');
    const [clusters = 0, api = 0, health = 0] = await freePorts(3);
    const manager = await workbench.startManager({ ports: { clusters, api, health } });
    t.after(() => manager.stop());
    const first = startAgent(t, sender);
    await until(sender, 'True');
    startAgent(t, sender, '--address', `127.0.0.1:${clusters}`);
    await eventually(async () => (await stateOf(sender)).manager?.endsWith(`:${clusters}`) === true);
    // Both have a tunnel of it until the first is gone.
    await first.stop();
    await leftAlone(sender);
  });
});
