// `install managed` where there is no tigera-operator, and into files.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import {
  CALICO_OBJECTS,
  CALICO_RESOURCES,
  CALICO_VERSION,
  INSTALLATION_KIND,
  operatorDeployment,
} from '../testbed/kubernetes/calico.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import { eventually, getObject, mcm, newFolder, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';
import { rightsOf, rightText, unusedRights } from './rights-in-use.ts';

const workbench = sharedWorkbench();
const IMAGE = ['--image', 'registry.example.com/kubectl-mcm:0.1.0'];

describe('install managed, without tigera-operator', () => {
  let plain: OwnCluster;
  let agent: Promise<Pod> | undefined;

  before(async () => {
    plain = await OwnCluster.start(workbench, 'plain-managed');
    // Calico by its manifests alone: it is there, and no operator.
    const isIts = (object: object) => JSON.stringify(object).includes('ClusterInformation');
    await plain.apply(CALICO_RESOURCES.filter(isIts));
    await plain.untilEstablished(CALICO_RESOURCES.filter(isIts), plain.name);
    await plain.apply(CALICO_OBJECTS.filter(isIts));
  });
  after(async () => {
    await (await agent)?.stop();
    await plain.stop();
  });

  it('writes everything into a directory, from which kubectl applies it', async () => {
    const folder = join(newFolder(workbench, 'gitops'), 'edge');
    const { code, stdout, stderr } = await mcm(plain, [
      'install',
      'managed',
      'edge',
      '--agent',
      '-o',
      folder,
      ...IMAGE,
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^managedcluster\.kubectl-mcm\.io\/edge created\nAmong the files are private keys/);
    const files = readdirSync(folder);
    assert.deepEqual(stdout, files.map((file) => `${join(folder, file)}\n`).join(''));
    for (const file of files) assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600);
    assert.equal((await workbench.kubectl(['get', 'managedcluster', 'edge'])).code, 0);
    await plain.there(['apply', '-f', folder]);
    const again = await mcm(plain, ['install', 'managed', 'edge-2', '--agent', '-o', folder, ...IMAGE]);
    assert.deepEqual([again.code, again.stderr], [1, `error: cannot write to ${folder}: it is not empty\n`]);
    assert.equal((await workbench.kubectl(['get', 'managedcluster', 'edge-2'])).code, 1);
    const taken = await mcm(plain, ['install', 'managed', 'edge', '--agent', '-o', `${folder}-2`, ...IMAGE]);
    assert.match(taken.stderr, /^Error from server \(AlreadyExists\)/);
    assert.equal(existsSync(`${folder}-2`), false);
  });

  it('has our agent open the tunnel, with the rights that the manager makes use of', async () => {
    const args = ['install', 'managed', 'edge', '--managed-context', 'plain-managed', ...IMAGE];
    const { code, stdout, stderr } = await mcm(plain, [...args, '--timeout', '60s'], {
      onOutput: (text) => {
        if (!text.includes("Waiting for the agent's first connection")) return;
        agent ??= Pod.start(plain, { context: 'plain-managed', workload: 'deployment/agent' });
      },
    });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^plain-managed: no tigera-operator: our agent opens the tunnel, and there are no flow logs/);
    assert.match(stdout, /\nmanagedcluster\.kubectl-mcm\.io\/edge connected\n$/);
    assert.match(stdout, /^deployment\.apps\/agent unchanged \(plain-managed\)$/m);
    await eventually(async () => {
      const { status } = await getObject<ManagedCluster>(workbench, 'managedcluster', 'edge');
      return status?.namespaces !== undefined && status.calicoVersion === CALICO_VERSION;
    });
    const rights = await rightsOf(plain, ['--context', 'plain-managed', 'clusterrole/kubectl-mcm-agent']);
    const unused = () => unusedRights(plain.cluster.auditLog, 'kubectl-mcm:agent', rights).map(rightText);
    assert.ok(rights.length > 0);
    await eventually(async () => unused().length === 0);
    const { stdout: type } = await mcm(plain, ['type', '--context', 'plain-managed']);
    assert.match(type, /^Managed\n/);
    assert.match(type, /^deployment\.apps\/agent +kubectl-mcm +opens the tunnel of "edge" +kubectl-mcm$/m);
  });

  it('refuses a cluster that has an Installation, and an operator of the time before Guardian', async () => {
    await plain.apply([
      INSTALLATION_KIND,
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tigera-operator' } },
    ]);
    await plain.apply([operatorDeployment('quay.io/tigera/operator:v1.34.0')]);
    await eventually(
      async () => (await plain.kubectl(['--context', 'plain-managed', 'get', 'installations'])).code === 0,
    );
    const { code, stderr } = await mcm(plain, [
      'install',
      'managed',
      'old',
      '--managed-context',
      'plain-managed',
      ...IMAGE,
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /^error: "plain-managed" runs tigera-operator v1\.34\.0, and 1\.38 or newer is needed\n/);
  });
});
