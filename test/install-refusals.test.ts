import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { apply, mcm, sharedWorkbench } from './harness.ts';
import { type OwnManagement, startPlainCluster } from './own-management.ts';

const ALWAYS = ['install', 'management', '--image', 'kubectl-mcm:0.1.0', '--elasticsearch', 'https://10.0.0.9:9200'];
const ADDRESS = ['--address', 'mgmt.example.com:30449'];

describe('install management, into a cluster that does not fit', () => {
  let own: OwnManagement;

  before(async () => {
    own = await startPlainCluster(sharedWorkbench(), 'unfit');
  });
  after(() => own.cluster.stop());

  const install = async (...args: readonly string[]) => await mcm(own.workbench, [...ALWAYS, ...args]);

  /** Refused, and nothing of ours is there. */
  const refused = async (args: readonly string[], why: RegExp) => {
    const { code, stderr } = await install(...args);
    assert.equal(code, 1, stderr);
    assert.match(stderr, why);
    const there = ['clusterrole,apiservice,crd', '-l', 'app.kubernetes.io/name=kubectl-mcm', '-o', 'name'];
    assert.equal(await own.workbench.mustKubectl(['get', ...there]), '');
  };

  it('asks for an address, and guesses no node', async () => {
    await refused([], /^error: --address HOST:PORT is needed: .*\nor give --expose loadbalancer/);
  });

  it('says which part is missing', async () => {
    await refused(
      [...ADDRESS, '--elasticsearch-secret', 'elasticsearch'],
      /^error: --elasticsearch-secret: "unfit" has no Secret "elasticsearch" in the namespace kubectl-mcm\nmake it first: /,
    );
    await refused(
      [...ADDRESS, '--image-pull-secret', 'pull'],
      /^error: --image-pull-secret: "unfit" has no Secret "pull"/,
    );
    await refused([...ADDRESS, '--storage-class', 'fast'], /^error: --storage-class: there is no StorageClass "fast"/);
    await refused(
      [...ADDRESS, '--cloud', 'eks'],
      /^warning: .*error: --storage-class: there is no StorageClass "gp2"/s,
    );
  });

  it('says who has the port of the nodes', async () => {
    const web = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' } };
    const spec = { type: 'NodePort', ports: [{ port: 80, nodePort: 30449 }], selector: { app: 'web' } };
    await apply(own.workbench, [{ ...web, spec }]);
    await refused(ADDRESS, /^error: port 30449 of the nodes is taken by service\/web in default\n/m);
    await own.workbench.mustKubectl(['delete', 'service', 'web']);
  });

  it('names what others have by our names', async () => {
    const name = 'kubectl-mcm-manager';
    await own.workbench.mustKubectl(['create', 'clusterrole', name, '--verb=get', '--resource=pods']);
    await refused(ADDRESS, /^error: already there, and not of kubectl-mcm: clusterrole.*\/kubectl-mcm-manager\n/m);
    await own.workbench.mustKubectl(['delete', 'clusterrole', name]);
  });

  it('refuses where the user has no right to all of it', async () => {
    const { code, stderr } = await install(...ADDRESS, '--as', 'jane');
    assert.equal(code, 1);
    assert.match(stderr, /^Error from server \(Forbidden\): /m);
  });

  it('refuses a Secret without credentials, and takes one that has them', async () => {
    await own.workbench.mustKubectl(['create', 'namespace', 'kubectl-mcm']);
    const secret = ['create', 'secret', 'generic', 'elasticsearch', '-n', 'kubectl-mcm'];
    await own.workbench.mustKubectl([...secret, '--from-literal=username=manager']);
    const args = [...ADDRESS, '--elasticsearch-secret', 'elasticsearch'];
    await refused(args, /^error: --elasticsearch-secret: the Secret "elasticsearch" has the keys username\n/);
    const patch = JSON.stringify({ stringData: { password: 'hunter2' } });
    await own.workbench.mustKubectl(['patch', 'secret', 'elasticsearch', '-n', 'kubectl-mcm', '-p', patch]);
    const { code, stdout, stderr } = await install(...args);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /hunter2/);
    const pod = ['get', 'statefulset', 'manager', '-n', 'kubectl-mcm', '-o', 'yaml'];
    assert.doesNotMatch(await own.workbench.mustKubectl(pod), /hunter2/);
  });

  it('says what cannot be changed, before anything else is', async () => {
    const { code, stderr } = await install('--address', 'other.example.com:30449', '--spool-size', '20Gi');
    assert.equal(code, 1);
    assert.match(stderr, /\na StatefulSet's volumes cannot be changed: kubectl delete statefulset manager/);
    const config = ['get', 'configmap', 'management', '-n', 'kubectl-mcm', '-o=jsonpath={.data.address}'];
    assert.equal(await own.workbench.mustKubectl(config), 'mgmt.example.com:30449');
  });

  it('takes the address of the load balancer, or gives up in time', async () => {
    const args = ['--expose', 'loadbalancer', '--replicas', '3'];
    await own.workbench.mustKubectl(['delete', 'configmap', 'management', '-n', 'kubectl-mcm']);
    const late = await install(...args, '--timeout', '2s');
    assert.equal(late.code, 1);
    assert.match(
      late.stderr,
      /^Waiting for the load balancer of service\/manager-mcm\nerror: timed out waiting for the condition on service\/manager-mcm\nwaited for: the load balancer of service\/manager-mcm\nrun it again once /m,
    );
    const status = JSON.stringify({ status: { loadBalancer: { ingress: [{ hostname: 'lb.example.com' }] } } });
    const patch = ['patch', 'service', 'manager-mcm', '-n', 'kubectl-mcm', '--subresource=status', '-p', status];
    await own.workbench.mustKubectl(patch);
    const { code, stdout, stderr } = await install(...args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^poddisruptionbudget\.policy\/manager created$/m);
    assert.match(
      (await mcm(own.workbench, ['add-cluster', 'first'])).stdout,
      /managementClusterAddr: lb\.example\.com:9449/,
    );
    // Without a word of it, the address stays; what only several managers need goes with them.
    const again = await install('--expose', 'loadbalancer');
    assert.equal(again.code, 0, again.stderr);
    const changed = again.stdout.split('\n').filter((line) => line !== '' && !line.endsWith(' unchanged'));
    assert.deepEqual(changed, [
      'configmap/management configured',
      'statefulset.apps/manager configured',
      'poddisruptionbudget.policy/manager deleted',
    ]);
  });
});
