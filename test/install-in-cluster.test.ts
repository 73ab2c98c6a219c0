import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { CALICO_POLICY_RESOURCES } from '../testbed/kubernetes/calico-policy.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import { ServiceProxy } from '../testbed/kubernetes/service-proxy.ts';
import { addSender, apply, eventually, forward, mcm, sharedWorkbench } from './harness.ts';
import { type OwnManagement, startPlainCluster } from './own-management.ts';

const shared = sharedWorkbench();
const IMAGE = 'registry.example.com/kubectl-mcm:0.1.0';

describe('install management, with the manager in the cluster', () => {
  let own: OwnManagement;
  let always: string[];

  before(async () => {
    own = await startPlainCluster(shared, 'in-cluster');
    const { elasticsearchUrl } = shared.facts;
    const secret = ['--elasticsearch-secret', 'elasticsearch'];
    always = ['install', 'management', '--image', IMAGE, '--elasticsearch', elasticsearchUrl, ...secret];
    // Which its user, who is not root, has to be able to read.
    await own.workbench.mustKubectl(['create', 'namespace', 'kubectl-mcm']);
    const credentials = ['--from-literal=username=manager', '--from-literal=password=hunter2'];
    await own.workbench.mustKubectl([
      'create',
      'secret',
      'generic',
      'elasticsearch',
      '-n',
      'kubectl-mcm',
      ...credentials,
    ]);
  });
  after(() => own.cluster.stop());

  const install = async (...args: readonly string[]) => await mcm(own.workbench, [...always, ...args]);

  it('does the main job as a pod of what was rendered, with the rights of its ServiceAccount', async (t) => {
    const first = await install('--address', 'mgmt.example.com:30449');
    assert.equal(first.code, 0, first.stderr);
    const pod = await Pod.start(own.workbench, { workload: 'statefulset/manager' });
    t.after(() => pod.stop());
    await pod.untilReady();
    const api = await ServiceProxy.start(own.workbench, { service: 'manager' }, pod);
    t.after(() => api.stop());
    const clusters = await ServiceProxy.start(own.workbench, { service: 'manager-mcm' }, pod);
    t.after(() => clusters.stop());
    const moved = await install('--address', `${clusters.ip}:9449`);
    assert.equal(moved.code, 0, moved.stderr);
    const sender = await addSender(own.workbench, 'in-pod');
    const flow = join(sender.folder, 'flows.log');
    const now = Date.now();
    writeFileSync(flow, `${[...generateFlows({ seed: 1, count: 100, from: now - 3_600_000, to: now })].join('\n')}\n`);
    const shipped = await forward(own.workbench, sender, ['--flow', flow]);
    assert.match(
      shipped.stdout,
      /^in-pod: 100 records shipped \(100 flow\), 0 set aside, nothing left, /,
      shipped.stderr,
    );
    await eventually(async () => {
      const { stdout } = await mcm(own.workbench, ['logs', '--cluster', 'in-pod', '-o', 'json', '--tail', '200']);
      return stdout.trim().split('\n').length === 100;
    });
  });

  it('has policies of Calico where Calico is, until its pods are in the network of their nodes', async () => {
    await apply(own.workbench, CALICO_POLICY_RESOURCES);
    const names = CALICO_POLICY_RESOURCES.map(({ metadata }) => `crd/${metadata.name}`);
    await own.workbench.mustKubectl(['wait', '--for=condition=Established', ...names, '--timeout=30s']);
    const first = await install('--address', 'mgmt.example.com:30449');
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^networkpolicy\.projectcalico\.org\/default\.manager created$/m);
    const second = await install('--address', 'mgmt.example.com:30449');
    assert.match(second.stdout, /^networkpolicy\.projectcalico\.org\/default\.manager unchanged$/m);

    // On EKS, API servers do not reach pods of Calico's own network.
    const spec = { variant: 'Calico', cni: { type: 'Calico' } };
    const meta = { name: 'default' };
    await apply(own.workbench, [
      { apiVersion: 'operator.tigera.io/v1', kind: 'Installation', metadata: meta, spec },
      {
        ...{ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'gp2' } },
        provisioner: 'ebs.csi.aws.com',
      },
    ]);
    await own.workbench.mustKubectl(['delete', 'statefulset', 'manager', '-n', 'kubectl-mcm']);
    const onEks = await install('--address', 'mgmt.example.com:9449', '--cloud', 'eks');
    assert.equal(onEks.code, 0, onEks.stderr);
    assert.match(onEks.stderr, /^warning: There is no audit file on any node: EKS/m);
    assert.match(onEks.stdout, /^networkpolicy\.projectcalico\.org\/default\.manager deleted$/m);
    const pod = await own.workbench.mustKubectl([
      'get',
      'statefulset',
      'manager',
      '-n',
      'kubectl-mcm',
      '-o=jsonpath={.spec.template.spec.hostNetwork}',
    ]);
    assert.equal(pod, 'true');
  });
});
