import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { CLOUDS } from '../src/install/clouds/index.ts';
import type { KubeObject } from '../src/kube/objects.ts';
import { auditKube } from '../src/logs/types/audit.ts';
import { dns } from '../src/logs/types/dns.ts';
import { flows } from '../src/logs/types/flows.ts';
import { CALICO_POLICY_RESOURCES } from '../testbed/kubernetes/calico-policy.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import { ServiceProxy } from '../testbed/kubernetes/service-proxy.ts';
import { apply, eventually, getObject, grant, mcm, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';
import { type OwnManagement, startPlainCluster } from './own-management.ts';

const shared = sharedWorkbench();
const IMAGE = ['--image', 'registry.example.com/kubectl-mcm:0.1.0'];
/** Of each type. */
const RECORDS = 100;

interface LogItem {
  readonly log_id: string;
}

function storageClassOf(name: string) {
  return { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name }, provisioner: 'ebs.csi.aws.com' };
}

describe('install management, with the manager in the cluster', () => {
  let own: OwnManagement;
  let always: string[];

  before(async () => {
    own = await startPlainCluster(shared, 'in-cluster');
    const { elasticsearchUrl } = shared.facts;
    const secret = ['--elasticsearch-secret', 'elasticsearch'];
    always = ['install', 'management', ...IMAGE, '--elasticsearch', elasticsearchUrl, ...secret];
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

  it('is accepted for every cloud, and says what is to be known of it', async () => {
    for (const [cloud, { expose, annotations, notes, storageClass }] of Object.entries(CLOUDS)) {
      if (storageClass !== undefined) await apply(own.workbench, [storageClassOf(storageClass)]);
      const args = ['--address', 'mgmt.example.com:9449', '--cloud', cloud, '--replicas', '3', '--host-network'];
      const { code, stdout, stderr } = await install(...args, '--dry-run=server', '-o', 'yaml');
      assert.equal(code, 0, stderr);
      for (const note of notes) assert.ok(stderr.includes(`warning: ${note}\n`), stderr);
      const objects = parseAllDocuments(stdout).map((document) => document.toJS() as KubeObject);
      const find = (kind: string, name: string) =>
        objects.find((object) => object.kind === kind && object.metadata.name === name);
      const service = find('Service', 'manager-mcm') as KubeObject & { readonly spec: { readonly type: string } };
      assert.equal(service.spec.type, expose === 'loadbalancer' ? 'LoadBalancer' : 'NodePort', cloud);
      for (const [name, value] of Object.entries(annotations)) {
        assert.equal(service.metadata.annotations?.[name], value);
      }
      assert.ok(find('PodDisruptionBudget', 'manager') !== undefined);
    }
  });

  it('does the main job as pods of what was rendered, each with the rights of its ServiceAccount', async (t) => {
    const { workbench } = own;
    const first = await install('--address', 'mgmt.example.com:30449');
    assert.equal(first.code, 0, first.stderr);
    const manager = await Pod.start(workbench, { workload: 'statefulset/manager' });
    t.after(() => manager.stop());
    await manager.untilReady();
    const api = await ServiceProxy.start(workbench, { service: 'manager' }, manager);
    t.after(() => api.stop());
    const clusters = await ServiceProxy.start(workbench, { service: 'manager-mcm' }, manager);
    t.after(() => clusters.stop());
    const moved = await install('--address', `${clusters.ip}:9449`);
    assert.equal(moved.code, 0, moved.stderr);

    const context = 'in-pods';
    const managed = await OwnCluster.start(workbench, context);
    t.after(() => managed.stop());
    const pods: Promise<Pod>[] = [];
    t.after(async () => await Promise.all(pods.map(async (pod) => await (await pod).stop())));
    const node = { node: 'node-7', context };
    const connected = await mcm(managed, ['install', 'managed', context, '--managed-context', context, ...IMAGE], {
      onOutput: (text) => {
        if (pods.length > 0 || !text.includes("Waiting for the agent's first connection")) return;
        for (const workload of ['deployment/agent', 'daemonset/forwarder']) {
          pods.push(Pod.start(managed, { ...node, workload }));
        }
      },
    });
    assert.equal(connected.code, 0, connected.stderr);
    const forwarder = await pods[1];
    assert.ok(forwarder !== undefined);
    const now = Date.now();
    const range = { seed: 1, count: RECORDS, from: now - 3_600_000, to: now };
    const audited = readFileSync(managed.cluster.auditLog, 'utf8').split('\n').slice(0, RECORDS);
    assert.equal(audited.length, RECORDS);
    for (const [type, lines] of [
      [flows, generateFlows(range)],
      [dns, generateDns(range)],
      [auditKube, audited],
    ] as const) {
      const path = forwarder.path(type.files[0] ?? '');
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${[...lines].join('\n')}\n`, { mode: 0o600 });
    }
    const read = async (...args: string[]) =>
      await mcm(workbench, ['logs', '--cluster', context, '-o', 'json', '--tail', '10000', ...args]);
    for (const type of ['flow', 'dns', 'audit-kube']) {
      const ids = async () => {
        const { stdout } = await read('--type', type);
        return stdout.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as LogItem).log_id]));
      };
      await eventually(async () => (await ids()).length >= RECORDS);
      const all = await ids();
      assert.deepEqual([all.length, new Set(all).size], [RECORDS, RECORDS], type);
    }
    await grant(workbench, 'alice', { resources: [context], resourceNames: ['flows'] });
    await eventually(async () => (await read('--as', 'alice')).stdout.trim().split('\n').length === RECORDS);
    const refused = await read('--as', 'alice', '--type', 'dns');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^Error from server \(Forbidden\): /);
    const { status } = await getObject<ManagedCluster>(workbench, 'managedcluster', context);
    assert.equal(status?.phase, 'Connected');
  });

  it('has policies of Calico where Calico is, until its pods are in the network of their nodes', async () => {
    await apply(own.workbench, CALICO_POLICY_RESOURCES);
    await own.workbench.untilEstablished(CALICO_POLICY_RESOURCES);
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
      storageClassOf('gp2'),
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
