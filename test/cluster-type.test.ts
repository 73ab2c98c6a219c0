import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ClusterTypeReport } from '../src/install/cluster-type.ts';
import { ENTERPRISE_KINDS } from '../testbed/kubernetes/calico.ts';
import { certificateContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import { mcm, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';

const workbench = sharedWorkbench();
const OPERATOR = 'operator.tigera.io/v1';
const CONNECTION = {
  apiVersion: OPERATOR,
  kind: 'ManagementClusterConnection',
  metadata: { name: 'tigera-secure' },
  spec: { managementClusterAddr: 'mgmt.example.com:30449' },
};

describe('type', () => {
  let cluster: OwnCluster;

  before(async () => {
    cluster = await OwnCluster.start(workbench, 'typed');
  });
  after(() => cluster.stop());

  const type = async (...args: readonly string[]) => await mcm(cluster, ['type', '--context', 'typed', ...args]);
  const report = async (code = 0) => {
    const outcome = await type('-o', 'json');
    assert.equal(outcome.code, code, outcome.stderr);
    return JSON.parse(outcome.stdout) as ClusterTypeReport;
  };
  /** Looks with some objects in the cluster, and takes them out again. */
  const withObjects = async (objects: readonly object[], look: () => Promise<void>) => {
    await cluster.apply(objects);
    try {
      await look();
    } finally {
      await cluster.there(['delete', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    }
  };

  it('is Standalone without any of it, whether tigera-operator is there or not', async () => {
    const bare = await type();
    assert.equal(bare.code, 0, bare.stderr);
    assert.match(bare.stdout, /^Standalone: nothing in it makes it a management or managed cluster: /);
    await cluster.installCalico('typed');
    await cluster.apply(ENTERPRISE_KINDS);
    await cluster.untilEstablished(ENTERPRISE_KINDS, cluster.name);
    // Of new kinds the API server refuses lists for a moment, and kubectl asks again.
    await cluster.there(['get', 'managementclusters,managementclusterconnections,logstorages']);
    assert.deepEqual(await report(), { type: 'Standalone', evidence: [], problems: [] });
  });

  it('is Managed by a ManagementClusterConnection, of Calico or of Calico Enterprise', async () => {
    await withObjects([CONNECTION], async () => {
      const object = 'managementclusterconnection.operator.tigera.io/tigera-secure';
      const says = 'dials mgmt.example.com:30449';
      const evidence = [{ object, says, dialect: 'Calico', means: 'Managed' }];
      assert.deepEqual(await report(), { type: 'Managed', evidence, problems: [] });
      const { stdout } = await type();
      assert.match(stdout, /^Managed\n\nEVIDENCE +NAMESPACE +SAYS +DIALECT\n/);
      assert.ok(stdout.includes(`${object}   <none>      ${says}   Calico\n`), stdout);
    });
    const installation = { apiVersion: OPERATOR, kind: 'Installation', metadata: { name: 'default' } };
    await cluster.apply([{ ...installation, spec: { variant: 'TigeraSecureEnterprise' } }]);
    await withObjects([CONNECTION], async () => {
      assert.equal((await report()).evidence[0]?.dialect, 'Calico Enterprise');
    });
    await cluster.apply([{ ...installation, spec: { variant: 'Calico' } }]);
  });

  it("is Management by Calico Enterprise's ManagementCluster, and by what install management writes", async () => {
    const enterprise = {
      apiVersion: OPERATOR,
      kind: 'ManagementCluster',
      metadata: { name: 'tigera-secure' },
      spec: { address: 'example.com:1234' },
    };
    await withObjects([enterprise], async () => {
      const { type: found, evidence } = await report();
      assert.equal(found, 'Management');
      assert.deepEqual(evidence[0]?.says, 'managed clusters dial example.com:1234');
    });
    const ours = await mcm(workbench, ['type', '--context', 'management', '-o', 'json']);
    const { type: found, evidence } = JSON.parse(ours.stdout) as ClusterTypeReport;
    assert.equal(found, 'Management');
    assert.deepEqual(evidence[0], {
      object: 'configmap/management',
      namespace: 'kubectl-mcm',
      says: `managed clusters dial ${workbench.address}`,
      dialect: 'kubectl-mcm',
      means: 'Management',
    });
  });

  it('knows the dialect of Calico Enterprise 3.0 and 3.1', async () => {
    const installation = { apiVersion: OPERATOR, kind: 'Installation', metadata: { name: 'default' } };
    for (const clusterManagementType of ['Standalone', 'Management', 'Managed']) {
      await cluster.apply([{ ...installation, spec: { clusterManagementType } }]);
      const { type: found, evidence } = await report();
      assert.equal(found, clusterManagementType);
      assert.equal(evidence[0]?.says, `clusterManagementType is ${clusterManagementType}`);
      assert.equal(evidence[0]?.dialect, 'Calico Enterprise 3.0 and 3.1');
    }
    await cluster.apply([{ ...installation, spec: { variant: 'Calico' } }]);
  });

  it('is Invalid where what is there contradicts itself, and says why', async () => {
    const management = { ...CONNECTION, kind: 'ManagementCluster', spec: {} };
    await withObjects([CONNECTION, management], async () => {
      const { code, stdout, stderr } = await type();
      assert.equal(code, 1);
      assert.match(stdout, /^Invalid\n/);
      assert.equal(
        stderr,
        'error: it is a management cluster by managementcluster.operator.tigera.io/tigera-secure and a managed cluster by managementclusterconnection.operator.tigera.io/tigera-secure: a cluster can be one of them\n',
      );
    });
    await withObjects([CONNECTION, { ...CONNECTION, kind: 'LogStorage', spec: {} }], async () => {
      const { type: found, problems } = await report(1);
      assert.equal(found, 'Invalid');
      assert.deepEqual(problems, [
        'a managed cluster cannot have a LogStorage: its logs are stored in the management cluster',
      ]);
    });
    await withObjects([{ ...CONNECTION, metadata: { name: 'default' } }], async () => {
      const { problems } = await report(1);
      assert.deepEqual(problems, [
        'managementclusterconnection.operator.tigera.io/default is not read: tigera-operator only looks at the name tigera-secure',
      ]);
    });
  });

  it("does not take a management cluster's own forwarder for a managed cluster's", async () => {
    const labels = { app: 'forwarder' };
    const of = (cluster: string) => ({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'forwarder', namespace: 'kubectl-mcm', labels: { 'kubectl-mcm.io/cluster': cluster } },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'forwarder', image: 'kubectl-mcm' }] } },
      },
    });
    await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kubectl-mcm' } }]);
    await withObjects([of('cluster')], async () => {
      const { type: found, evidence } = await report();
      assert.deepEqual([found, evidence[0]?.says], ['Standalone', 'ships the log files of "cluster"']);
    });
    await withObjects([of('prod-eu')], async () => assert.equal((await report()).type, 'Managed'));
  });

  it('guesses nothing where it may not look', async () => {
    const file = `${cluster.cluster.directory}/nobody.kubeconfig`;
    writeKubeconfig(file, [await certificateContext(cluster.cluster, { name: 'nobody' }, 'nobody')]);
    const { code, stdout, stderr } = await mcm(workbench, ['type', '--kubeconfig', file]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /^Error from server \(Forbidden\): installations\.operator\.tigera\.io "default" is forbidden/,
    );
  });
});
