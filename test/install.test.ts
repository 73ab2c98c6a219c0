import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../src/kube/objects.ts';
import { kubernetesBinaries } from '../testbed/kubernetes/binaries.ts';
import { Cluster, certificateContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import { mcm, newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const POD = ['--image', 'kubectl-mcm:0.1.0', '--elasticsearch', 'http://10.0.0.9:9200'];
const ADDRESS = ['--address', 'mgmt.example.com:30449', ...POD];
const OTHER_ADDRESS = ['--address', 'other.example.com:30449', ...POD];

/** Everything that `install management` makes, as the API server has it. */
const EVERYTHING = [
  'namespace/kubectl-mcm',
  'crd/managedclusters.kubectl-mcm.io',
  'clusterrole/kubectl-mcm-manager',
  'clusterrole/kubectl-mcm-viewer',
  'clusterrole/kubectl-mcm-fleet-reader',
  'clusterrolebinding/kubectl-mcm-manager',
  'clusterrolebinding/kubectl-mcm-fleet-reader',
  'flowschema/kubectl-mcm-logs',
  'prioritylevelconfiguration/kubectl-mcm-logs',
  'apiservice/v1.lma.tigera.io',
  'apiservice/v1.logs.kubectl-mcm.io',
  'apiservice/v1.proxy.kubectl-mcm.io',
  'apiservice/v1.query.kubectl-mcm.io',
];
const NAMESPACED = [
  'configmap/management',
  'configmap/logs',
  'lease/log-keeper',
  'role/manager',
  'rolebinding/manager',
  'secret/ca',
  'secret/manager-tls',
  'service/manager',
  'service/manager-mcm',
  'serviceaccount/manager',
  'networkpolicy/default-deny',
  'networkpolicy/manager',
  'statefulset/manager',
];

describe('install management', () => {
  it('makes a plain cluster a management cluster, and changes nothing the second time', async (t) => {
    const folder = newFolder(workbench, 'plain');
    const cluster = await Cluster.start('plain', join(folder, 'plain'), await kubernetesBinaries(() => undefined));
    t.after(() => cluster.stop());
    const env = { KUBECONFIG: writeKubeconfig(join(folder, 'kubeconfig'), [await certificateContext(cluster.facts)]) };
    const versions = async () => {
      const columns = '-o=jsonpath={.items[*].metadata.resourceVersion}';
      const all = await workbench.mustKubectl(['get', ...EVERYTHING, columns], { env });
      return `${all} ${await workbench.mustKubectl(['get', '-n', 'kubectl-mcm', ...NAMESPACED, columns], { env })}`;
    };

    const rehearsal = await mcm(workbench, ['install', 'management', ...ADDRESS, '--dry-run=server'], { env });
    assert.equal(rehearsal.code, 0, rehearsal.stderr);
    assert.match(
      rehearsal.stdout,
      /^apiservice\.apiregistration\.k8s\.io\/v1\.lma\.tigera\.io created \(server dry run\)$/m,
    );
    assert.equal(
      (await workbench.kubectl(['get', 'namespace', 'kubectl-mcm'], { env })).code,
      1,
      'a dry run stores nothing',
    );

    const first = await mcm(workbench, ['install', 'management', ...ADDRESS], { env });
    assert.equal(first.code, 0, first.stderr);
    const outcomes = first.stdout.trim().split('\n');
    assert.equal(outcomes.length, EVERYTHING.length + NAMESPACED.length + 1, 'and a RoleBinding in kube-system');
    for (const outcome of outcomes) assert.match(outcome, / created$/);
    assert.match(
      first.stderr,
      /^warning: the cluster has no default StorageClass.*\nNext: wait until the manager runs/,
    );

    const before = await versions();
    const second = await mcm(workbench, ['install', 'management', ...ADDRESS], { env });
    assert.equal(second.code, 0, second.stderr);
    for (const outcome of second.stdout.trim().split('\n')) assert.match(outcome, / unchanged$/);
    assert.equal(await versions(), before);

    const service = await workbench.mustKubectl(
      [
        'get',
        'service',
        'manager-mcm',
        '-n',
        'kubectl-mcm',
        '-o=jsonpath={.spec.type} {.spec.ports[0].nodePort} {.spec.ports[0].port} {.spec.ports[0].targetPort}',
      ],
      { env },
    );
    assert.equal(service, 'NodePort 30449 9449 9449');
    const managers = await workbench.mustKubectl(
      [
        'get',
        'secret',
        'ca',
        '-n',
        'kubectl-mcm',
        '--show-managed-fields',
        '-o=jsonpath={.metadata.managedFields[*].manager}',
      ],
      { env },
    );
    assert.deepEqual([...new Set(managers.split(' '))], ['kubectl-mcm']);

    const moved = await mcm(workbench, ['install', 'management', ...OTHER_ADDRESS], { env });
    assert.deepEqual(
      moved.stdout
        .trim()
        .split('\n')
        .filter((line) => !line.endsWith(' unchanged')),
      ['configmap/management configured'],
    );

    for (const [name, why] of [
      ['Prod', /lowercase RFC 1123/],
      ['prod.eu', /must be a DNS label/],
      ['prod_eu', /lowercase RFC 1123/],
      ['-prod', /lowercase RFC 1123/],
      ['x'.repeat(64), /must be a DNS label/],
      ['cluster', /are reserved/],
      ['shared', /are reserved/],
      ['watch', /are reserved/],
      ['proxy', /are reserved/],
      ['namespaces', /are reserved/],
    ] as const) {
      const object = { apiVersion: 'kubectl-mcm.io/v1', kind: 'ManagedCluster', metadata: { name }, spec: {} };
      const { code, stderr } = await workbench.kubectl(['apply', '-f', '-'], { env, input: JSON.stringify(object) });
      assert.equal(code, 1, name);
      assert.match(stderr, why, name);
    }
  });

  it('prints everything, always the same, without a cluster and without keys', async () => {
    const env = { KUBECONFIG: '/nonexistent' };
    const args = ['install', 'management', ...ADDRESS, '--dry-run=client', '-o', 'yaml'];
    const first = await mcm(workbench, args, { env });
    assert.equal(first.code, 0, first.stderr);
    const second = await mcm(workbench, args, { env });
    assert.equal(second.stdout, first.stdout);
    const objects = parseAllDocuments(first.stdout).map((document) => document.toJS() as KubeObject);
    assert.equal(objects.length, EVERYTHING.length + NAMESPACED.length + 1);
    assert.doesNotMatch(first.stdout, /PRIVATE KEY|tls\.key/);
    for (const object of objects) if (object.kind === 'Secret') assert.equal('data' in object, false);
    const names = await mcm(workbench, args.slice(0, -2), { env });
    assert.match(names.stdout, /^namespace\/kubectl-mcm created \(dry run\)\n/);
  });

  it('takes over what was applied from a file, and fills in its keys', async (t) => {
    const folder = newFolder(workbench, 'gitops');
    const cluster = await Cluster.start('gitops', join(folder, 'gitops'), await kubernetesBinaries(() => undefined));
    t.after(() => cluster.stop());
    const env = { KUBECONFIG: writeKubeconfig(join(folder, 'kubeconfig'), [await certificateContext(cluster.facts)]) };
    const { stdout } = await mcm(workbench, ['install', 'management', ...ADDRESS, '--dry-run=client', '-o', 'yaml'], {
      env,
    });
    await workbench.mustKubectl(['apply', '--server-side', '-f', '-'], { env, input: stdout });
    const { code, stderr } = await mcm(workbench, ['install', 'management', ...ADDRESS], { env });
    assert.equal(code, 0, stderr);
    for (const name of ['ca', 'manager-tls']) {
      const key = await workbench.mustKubectl(
        ['get', 'secret', name, '-n', 'kubectl-mcm', '-o=jsonpath={.data.tls\\.key}'],
        { env },
      );
      assert.match(Buffer.from(key, 'base64').toString('utf8'), /BEGIN PRIVATE KEY/);
    }
    // The file said another address: to change it behind the file's back needs a word.
    const moved = ['install', 'management', ...OTHER_ADDRESS];
    const refused = await mcm(workbench, moved, { env });
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^Error from server \(Conflict\): .*\nconfigmap\/management was written by other means;/ms,
    );
    assert.equal((await mcm(workbench, [...moved, '--force-conflicts'], { env })).code, 0);
    assert.equal((await mcm(workbench, ['install', 'management', ...ADDRESS], { env })).code, 0);
    assert.match(
      (await mcm(workbench, ['add-cluster', 'first'], { env })).stdout,
      /managementClusterAddr: mgmt\.example\.com:30449/,
    );
  });

  for (const [flag, value] of [
    ['--address', 'mgmt.example.com'],
    ['--address', 'mgmt.example.com:0'],
    ['--address', 'mgmt.example.com:70000'],
    ['--address', 'https://mgmt.example.com:30449'],
    ['--address', 'two words:30449'],
    ['--address', '2001:db8::1:30449'],
    ['--external-manager', 'here'],
  ] as const) {
    it(`refuses ${flag} ${value}`, async () => {
      const { code, stderr } = await mcm(workbench, ['install', 'management', ...ADDRESS, flag, value]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^error: invalid argument ".*" for "${flag}" flag: not of the form HOST:PORT`));
    });
  }

  it('refuses a manager at an IPv6 address, which no Service can point to', async () => {
    const outside = ['--address', 'mgmt.example.com:9449', '--external-manager', '[::1]:8443'];
    const { code, stderr } = await mcm(workbench, ['install', 'management', ...outside]);
    assert.equal(code, 1);
    assert.match(stderr, /^error: .* a Service cannot point to an IPv6 address\n/);
  });

  for (const [args, why] of [
    [[], /^error: required flag\(s\) "image" not set\n/],
    [['--image', 'kubectl-mcm'], /^error: required flag\(s\) "elasticsearch" not set\n/],
    [['--external-manager', '10.0.0.5:8443'], /^error: --external-manager needs --address HOST:PORT\n/],
    [[...ADDRESS, '--external-manager', '10.0.0.5:8443'], /^error: --image is for a manager in this cluster/],
    [[...ADDRESS, '--image', 'Two Words'], /^error: invalid argument "Two Words" for "--image" flag/],
    [[...ADDRESS, '--replicas', '0'], /^error: invalid argument "0" for "--replicas" flag: must be 1 to 9\n/],
    [[...ADDRESS, '--memory', 'much'], /^error: invalid argument "much" for "--memory" flag/],
    [[...ADDRESS, '--elasticsearch-secret', 'A b'], /^error: invalid argument "A b" for "--elasticsearch-secret" flag/],
    [[...ADDRESS, '--elasticsearch', 'https://me:hunter2@es'], /flag: the URL holds a user name or password\n/],
    [
      [...ADDRESS, '--expose', 'loadbalancer', '--node-port', '30000'],
      /^error: --node-port is for --expose nodeport\n/,
    ],
  ] as const) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stderr } = await mcm(workbench, ['install', 'management', ...args]);
      assert.equal(code, 1);
      assert.match(stderr, why);
      assert.doesNotMatch(stderr, /hunter2/);
    });
  }
});
