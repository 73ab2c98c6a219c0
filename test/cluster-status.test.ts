import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertificateRegistry } from '../src/clusters/certificate-registry.ts';
import { createKeyPair, daysFromNow } from '../src/clusters/key-pair.ts';
import { MANAGED_CLUSTERS_PATH, type ManagedCluster, managedCluster } from '../src/clusters/managed-cluster.ts';
import { ClusterStatusWriter } from '../src/manager/cluster-status.ts';
import { ConnectionStates } from '../src/manager/connection-states.ts';
import { eventually, getObject, sharedWorkbench } from './harness.ts';
import { ApiProxy, adminClient } from './proxies.ts';

const workbench = sharedWorkbench();
const never = new AbortController().signal;

async function get(name: string): Promise<ManagedCluster> {
  return await getObject<ManagedCluster>(workbench, 'managedcluster', name);
}

/** A ManagedCluster whose first status the running manager has written. */
async function registered(name: string): Promise<ManagedCluster> {
  await adminClient(workbench).create(managedCluster(name, {}));
  await eventually(async () => (await get(name)).status?.conditions !== undefined);
  return await get(name);
}

/** A second manager's writer of statuses, and the writes that it makes. */
async function secondWriter(t: TestContext) {
  const proxy = await ApiProxy.start(workbench.facts.management);
  t.after(() => proxy.stop());
  const registry = new CertificateRegistry();
  let answered = 0;
  const onRequest = (line: string) => {
    if (line.startsWith('PATCH')) answered++;
  };
  const client = adminClient(workbench, { url: proxy.url, onRequest });
  const writer = new ClusterStatusWriter(client, registry, new ConnectionStates('second'), () => undefined);
  const writes = () => proxy.requests.filter((asked) => asked.startsWith('PATCH')).length;
  /** Lets due writes begin: then there have been so many, and no more. */
  const mustHaveBegun = async (expected: number, why?: string, signal: AbortSignal = never) => {
    writer.writeDue(signal);
    await eventually(async () => writes() >= expected);
    await sleep(300);
    assert.equal(writes(), expected, why);
  };
  /** The same, and they are answered. */
  const mustHaveWritten = async (expected: number, why?: string) => {
    await mustHaveBegun(expected, why);
    await eventually(async () => answered === expected);
    // Behind the answer to this, the writer has heard of those as well.
    await client.get(MANAGED_CLUSTERS_PATH);
  };
  return { proxy, registry, writer, writes, mustHaveBegun, mustHaveWritten };
}

describe('the status of a ManagedCluster', () => {
  it('is written at once when it changes, and for "last seen" alone once a minute', async (t) => {
    const foreign = await createKeyPair({ commonName: 'other', usages: ['client'], notAfter: daysFromNow(1) });
    const object = await registered('paced');
    const { registry, writer, mustHaveWritten } = await secondWriter(t);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    writer.observe(object);
    await mustHaveWritten(0);
    writer.received('paced', Date.now());
    await mustHaveWritten(1, 'now it is Receiving');
    for (const milliseconds of [1_000, 30_000, 28_999]) {
      t.mock.timers.tick(milliseconds);
      writer.received('paced', Date.now());
      await mustHaveWritten(1);
    }
    t.mock.timers.tick(1);
    writer.received('paced', Date.now());
    await mustHaveWritten(2, 'a minute after the first');
    assert.equal((await get('paced')).status?.lastSeen, new Date().toISOString());
    t.mock.timers.tick(1_000);
    const certificate = Buffer.from(foreign.certificate).toString('base64');
    registry.set(managedCluster('paced', { certificate }));
    await mustHaveWritten(3, 'a conflict');
    await mustHaveWritten(3);
  });

  it('is what either of two managers has seen: they do not write over each other', async (t) => {
    const object = await registered('shared-view');
    const { writer, mustHaveWritten } = await secondWriter(t);
    writer.observe(object);
    const now = Date.now();
    writer.received('shared-view', now);
    await mustHaveWritten(1);
    const { metadata } = await get('shared-view');
    // The running manager, which has had nothing of this cluster, looks once a second.
    await sleep(2_500);
    const after = await get('shared-view');
    assert.deepEqual([after.status?.phase, after.status?.lastSeen], ['Receiving', new Date(now).toISOString()]);
    assert.equal(after.metadata.resourceVersion, metadata.resourceVersion);
  });

  it('is not hammered out when it cannot be written', async (t) => {
    const { writer, mustHaveWritten } = await secondWriter(t);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    writer.observe({ ...managedCluster('not-there', {}), metadata: { name: 'not-there', uid: 'gone' } });
    await mustHaveWritten(1);
    await mustHaveWritten(1);
    t.mock.timers.tick(1_000);
    await mustHaveWritten(2);
    t.mock.timers.tick(999);
    await mustHaveWritten(2, 'at least a second after the second attempt');
    t.mock.timers.tick(1_001);
    await mustHaveWritten(3);
  });

  it('is written for a limited number of clusters at once', async (t) => {
    const { proxy, writer, mustHaveBegun } = await secondWriter(t);
    const stop = new AbortController();
    t.after(() => stop.abort());
    proxy.lose(/^PATCH/);
    for (let at = 0; at < 40; at++) writer.observe(managedCluster(`one-of-many-${at}`, {}));
    await mustHaveBegun(16, undefined, stop.signal);
    await mustHaveBegun(16, undefined, stop.signal);
  });

  it('is written for one cluster as soon as it is for another', async (t) => {
    const { writer, writes } = await secondWriter(t);
    for (let at = 0; at < 100; at++) writer.observe(managedCluster(`one-after-another-${at}`, {}));
    // Once, and not again a second later.
    writer.writeDue(never);
    await eventually(async () => writes() === 100);
  });

  it('is written less often for "last seen" alone where there are thousands of clusters', async (t) => {
    const { writer, mustHaveWritten } = await secondWriter(t);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const lastSeen = new Date().toISOString();
    const condition = { type: 'ManagedClusterConnected', status: 'Unknown', reason: 'NoTunnel' } as const;
    const message = 'No tunnel of this cluster has connected.';
    const conditions = [{ ...condition, message, lastTransitionTime: lastSeen }];
    for (let at = 0; at < 4_000; at++) {
      writer.observe({
        ...managedCluster(`one-of-thousands-${at}`, {}),
        status: { phase: 'Receiving', lastSeen, conditions },
      });
    }
    t.mock.timers.tick(99_999);
    writer.received('one-of-thousands-0', Date.now());
    await mustHaveWritten(0);
    t.mock.timers.tick(1);
    writer.received('one-of-thousands-0', Date.now());
    await mustHaveWritten(1, '40 a second, of them all');
  });
});
