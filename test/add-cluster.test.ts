import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { readForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import type { KubeObject, Secret } from '../src/kube/objects.ts';
import type { ServerProcess } from '../testbed/processes.ts';
import { getObject, mcm, newFolder, sharedWorkbench } from './harness.ts';
import { ApiProxy } from './proxies.ts';

const workbench = sharedWorkbench();
const NOW = new Date().toISOString();

/** Of a ManagedCluster, and no rehearsal. */
const CREATION = /^POST .*\/managedclusters(?!.*dryRun)/;

async function exists(cluster: string): Promise<boolean> {
  return (await workbench.kubectl(['get', 'managedcluster', cluster])).code === 0;
}

function secretValue(objects: readonly KubeObject[], name: string, key: string): string {
  const secret = objects.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === name) as
    | Secret
    | undefined;
  return Buffer.from(secret?.data?.[key] ?? '', 'base64').toString('utf8');
}

/** add-cluster through a way on which requests and answers can get lost. */
async function addThrough(t: TestContext, cluster: string, lose: (proxy: ApiProxy) => void) {
  const proxy = await ApiProxy.start(workbench.facts.management);
  t.after(() => proxy.stop());
  lose(proxy);
  const file = join(newFolder(workbench, cluster), 'manifest.yaml');
  const through = ['--server', proxy.url, '--request-timeout', '5s'];
  return { file, ...(await mcm(workbench, ['add-cluster', cluster, '-o', file, ...through])) };
}

describe('add-cluster', () => {
  // First, while prod-eu is not connected to anything.
  it('refuses an operator namespace that is not there before anything is registered', async () => {
    const args = ['add-cluster', 'misplaced', '--managed-context', 'prod-eu', '--operator-namespace', 'nowhere'];
    const { code, stderr } = await mcm(workbench, args);
    assert.equal(code, 1);
    assert.match(stderr, /^Error from server \(NotFound\): namespaces "nowhere" not found/);
    assert.equal(await exists('misplaced'), false);
  });

  it('prints a manifest that Calico and our forwarder connect with, and registers its certificates', async () => {
    const { code, stdout, stderr } = await mcm(workbench, ['add-cluster', 'added']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^managedcluster\.kubectl-mcm\.io\/added created$/m);
    const objects = parseAllDocuments(stdout).map((document) => document.toJS() as KubeObject);
    assert.deepEqual(
      objects.map(({ kind, metadata }) => [kind, metadata.namespace, metadata.name]),
      [
        ['ManagementClusterConnection', undefined, 'tigera-secure'],
        ['Secret', 'tigera-operator', 'tigera-managed-cluster-connection'],
        ['Secret', 'tigera-operator', 'tigera-voltron-linseed-certs-public'],
        ['Secret', 'tigera-operator', 'calico-voltron-linseed-certs-public'],
        ['Namespace', undefined, 'kubectl-mcm'],
        ['Secret', 'kubectl-mcm', 'forwarder'],
      ],
    );
    // Calico's operator refuses a connection that says anything about impersonation or a public CA.
    assert.deepEqual((objects[0] as KubeObject & { spec: object }).spec, { managementClusterAddr: workbench.address });

    const ca = new X509Certificate(secretValue(objects, 'tigera-managed-cluster-connection', 'management-cluster.crt'));
    assert.equal(ca.subjectAltName, 'DNS:voltron', 'Guardian wants exactly one DNS name');
    assert.equal(ca.ca, true);
    for (const name of ['tigera-voltron-linseed-certs-public', 'calico-voltron-linseed-certs-public']) {
      assert.equal(new X509Certificate(secretValue(objects, name, 'tls.crt')).fingerprint256, ca.fingerprint256);
    }
    const tunnel = new X509Certificate(
      secretValue(objects, 'tigera-managed-cluster-connection', 'managed-cluster.crt'),
    );
    const forwarder = new X509Certificate(secretValue(objects, 'forwarder', 'tls.crt'));
    assert.equal(tunnel.subject, 'CN=added\nOU=tunnel');
    assert.equal(forwarder.subject, 'CN=added\nOU=forwarder');
    assert.deepEqual(tunnel.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'], 'server and client');
    for (const [name, key] of [
      ['tigera-managed-cluster-connection', 'managed-cluster.key'],
      ['forwarder', 'tls.key'],
    ] as const) {
      assert.match(secretValue(objects, name, key), /^-----BEGIN PRIVATE KEY-----\n/);
    }
    assert.equal(secretValue(objects, 'forwarder', 'address'), workbench.address);

    const { spec } = await getObject<ManagedCluster>(workbench, 'managedcluster', 'added');
    const registered = Buffer.from(spec.certificate ?? '', 'base64').toString('utf8');
    assert.doesNotMatch(registered, /PRIVATE/);
    assert.equal(registered, `${tunnel.toString()}${forwarder.toString()}`);
    assert.equal(spec.operatorNamespace, 'tigera-operator');
  });

  it('writes a file that only its owner can read', async () => {
    const folder = newFolder(workbench, 'written');
    const { code, stdout } = await mcm(workbench, ['add-cluster', 'written', '-o', join(folder, 'manifest.yaml')]);
    assert.equal(code, 0);
    assert.equal(stdout, 'managedcluster.kubectl-mcm.io/written created\n');
    assert.deepEqual(readdirSync(folder), ['manifest.yaml']);
    assert.equal(statSync(join(folder, 'manifest.yaml')).mode & 0o777, 0o600);
    await workbench.mustKubectl(['--context', 'prod-eu', 'apply', '-f', join(folder, 'manifest.yaml')]);
  });

  it('applies the manifest to another context of the kubeconfig, and waits until the cluster is connected', async (t) => {
    const manifest = join(newFolder(workbench, 'applied'), 'manifest.yaml');
    const args = [
      'add-cluster',
      'applied',
      '--managed-context',
      'prod-us',
      '-o',
      manifest,
      '--wait',
      '--timeout',
      '60s',
    ];
    let said = '';
    let agent: ServerProcess | undefined;
    t.after(() => agent?.stop());
    const { code, stdout, stderr } = await mcm(workbench, args, {
      onOutput: (text) => {
        said += text;
        if (agent !== undefined || !/^Waiting for Guardian's first connection$/m.test(said)) return;
        agent = workbench.startAgent({ context: 'prod-us', manifest, logName: 'applied' });
      },
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^managedcluster\.kubectl-mcm\.io\/applied connected$/m);
    const wide = await mcm(workbench, ['clusters', '-o', 'wide']);
    assert.match(
      wide.stdout,
      /^NAME +STATUS +LAST SEEN +AGE +SINCE +ROUND TRIP +CALICO +NAMESPACES +CERTIFICATE +SPOOLED +RECONNECTS +LAST ERROR\n/,
    );
    assert.match(wide.stdout, /^applied +Connected +.* 364d left +0 +0 +<none>$/m);
    assert.match(stdout, /^managedcluster\.kubectl-mcm\.io\/applied created\n/);
    assert.match(stdout, /^secret\/forwarder created \(prod-us\)$/m);
    assert.doesNotMatch(stdout, /PRIVATE|tls\.key/);
    const address = await workbench.mustKubectl([
      '--context',
      'prod-us',
      'get',
      'managementclusterconnection',
      'tigera-secure',
      '-o=jsonpath={.spec.managementClusterAddr}',
    ]);
    assert.equal(address, workbench.address);
  });

  for (const [args, line] of [
    [['cluster'], /^error: a managed cluster cannot have the name "cluster": it is reserved\n$/],
    [['prod.eu'], /^error: a managed cluster cannot have the name "prod\.eu": it must be a DNS label: /],
    [['Prod_EU'], /^error: a managed cluster cannot have the name "Prod_EU": it must be a DNS label: /],
    [['good', '--operator-namespace', 'a.b'], /^error: invalid argument "a\.b" for "--operator-namespace" flag: /],
  ] as const) {
    it(`refuses ${args.join(' ')} without a word to the API server, and writes nothing`, async () => {
      const file = join(newFolder(workbench, 'refused'), 'manifest.yaml');
      const nobody = ['--server', 'https://127.0.0.1:1'];
      const { code, stdout, stderr } = await mcm(workbench, ['add-cluster', ...args, '-o', file, ...nobody]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, line);
      assert.equal(existsSync(file), false);
    });
  }

  it('looks whether the cluster is there when the answer is lost, and goes on', async (t) => {
    const { file, code, stdout, stderr } = await addThrough(t, 'unanswered', (proxy) => proxy.loseAnswers(CREATION));
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'managedcluster.kubectl-mcm.io/unanswered created\n');
    const { spec } = await getObject<ManagedCluster>(workbench, 'managedcluster', 'unanswered');
    const forwarder = readForwarderCredentials(file);
    assert.ok(
      Buffer.from(spec.certificate ?? '', 'base64')
        .toString()
        .includes(forwarder.certificate),
    );
  });

  it('keeps the keys, and says what to do, when nobody can tell whether the cluster is there', async (t) => {
    const { file, code, stdout, stderr } = await addThrough(t, 'in-doubt', (proxy) => {
      proxy.loseAnswers(CREATION);
      proxy.lose(/^GET .*\/managedclusters\/in-doubt/);
    });
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(
      stderr,
      `error: it is not known whether managedcluster.kubectl-mcm.io/in-doubt was created: Unable to connect to the server: context deadline exceeded
Once the API server answers again, look: kubectl get managedcluster in-doubt
If it is there, its keys are in ${file}: apply that. If not, delete the file and run this again.
`,
    );
    assert.equal(readForwarderCredentials(file).cluster, 'in-doubt');
    assert.equal(await exists('in-doubt'), true);
  });

  it('registers nothing when the request is lost', async (t) => {
    const { file, code, stderr } = await addThrough(t, 'unheard', (proxy) => proxy.lose(CREATION));
    assert.deepEqual([code, stderr], [1, 'Unable to connect to the server: context deadline exceeded\n']);
    assert.equal(existsSync(file), false);
  });

  it('refuses a name that is taken, and leaves what is there', async () => {
    const folder = newFolder(workbench, 'taken');
    const file = join(folder, 'manifest.yaml');
    assert.equal((await mcm(workbench, ['add-cluster', 'taken', '-o', file])).code, 0);
    const manifest = readFileSync(file, 'utf8');
    const everything = ['--context', 'prod-us', 'get', 'secrets,namespaces', '--all-namespaces', '-o=name'];
    const before = await workbench.mustKubectl(everything);
    const { code, stdout, stderr } = await mcm(workbench, [
      'add-cluster',
      'taken',
      '-o',
      `${file}.2`,
      '--managed-context',
      'prod-us',
    ]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(
      stderr,
      'Error from server (AlreadyExists): managedclusters.kubectl-mcm.io "taken" already exists\nits manifest is not kept; for one with new keys: kubectl mcm reissue taken\n',
    );
    assert.equal(readFileSync(file, 'utf8'), manifest);
    assert.deepEqual(readdirSync(folder), ['manifest.yaml']);
    assert.equal(await workbench.mustKubectl(everything), before);
  });

  for (const [context, how] of [
    ['prod-eu', 'by kubectl apply'],
    ['prod-us', 'by --managed-context'],
  ] as const) {
    it(`refuses a managed cluster that was connected ${how}, before anything is registered`, async () => {
      const { code, stderr } = await mcm(workbench, ['add-cluster', 'second', '--managed-context', context]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`^error: "${context}" is connected to a management cluster already \\(${workbench.address}\\)\n`),
      );
      assert.equal(await exists('second'), false);
    });
  }

  it('never writes over a file', async () => {
    const folder = newFolder(workbench, 'over');
    const file = join(folder, 'manifest.yaml');
    writeFileSync(file, 'the only keys of another cluster');
    for (const path of [file, folder]) {
      const { code, stderr } = await mcm(workbench, ['add-cluster', 'over', '-o', path]);
      assert.deepEqual([code, stderr], [1, `error: cannot write ${path}: file exists\n`]);
    }
    assert.equal(await exists('over'), false);
    assert.equal(readFileSync(file, 'utf8'), 'the only keys of another cluster');
    assert.deepEqual(readdirSync(folder), ['manifest.yaml']);
  });

  it('refuses a file that cannot be written before anything is registered', async () => {
    const { code, stderr } = await mcm(workbench, ['add-cluster', 'unwritten', '-o', '/nonexistent/manifest.yaml']);
    assert.equal(code, 1);
    assert.match(stderr, /^error: cannot write \/nonexistent\/manifest\.yaml: /);
    assert.equal(await exists('unwritten'), false);
  });

  it('refuses a managed cluster without tigera-operator before anything is registered', async () => {
    const { code, stderr } = await mcm(workbench, ['add-cluster', 'bare', '--managed-context', 'management']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: "management" has no ManagementClusterConnection \(operator\.tigera\.io\/v1\): tigera-operator is not installed there\n/,
    );
    assert.equal(await exists('bare'), false);
  });

  it('says what it waits for, and gives up when its time is over', async () => {
    const inUs = async (...args: string[]) => await workbench.mustKubectl(['--context', 'prod-us', ...args]);
    const connection = 'managementclusterconnection/tigera-secure';
    await inUs('delete', connection);
    await inUs('delete', 'secret', '--all', '-n', 'tigera-operator');
    await inUs('delete', 'secret', '--all', '-n', 'kubectl-mcm');
    const words = 'secret "tigera-managed-cluster-connection" not found';
    const conditions = [
      { type: 'Degraded', status: 'True', reason: 'ResourceReadError', message: words, lastTransitionTime: NOW },
    ];
    const patch = [
      'patch',
      connection,
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status: { conditions } }),
    ];
    let degraded: Promise<string> | undefined;
    const args = ['add-cluster', 'late', '--managed-context', 'prod-us', '--wait', '--timeout', '15s'];
    const { code, stderr } = await mcm(workbench, args, {
      onOutput: (text) => {
        if (text.includes('Waiting for Guardian')) degraded ??= inUs(...patch);
      },
    });
    await degraded;
    assert.equal(code, 1);
    assert.match(stderr, /^Waiting for Guardian's first connection\nWaiting for tigera-operator, which says: secret /m);
    assert.match(
      stderr,
      /^error: timed out waiting for the condition on managedclusters\/late\nwaited for: tigera-operator/m,
    );
  });

  it('reissue gives a managed cluster other keys, whoever applied those that it has, and no other cluster', async () => {
    // Applied by kubectl, which owns the fields now.
    const wrong = await mcm(workbench, ['reissue', 'late', '--managed-context', 'prod-eu']);
    assert.deepEqual([wrong.code, wrong.stdout], [1, '']);
    assert.equal(
      wrong.stderr,
      'error: "prod-eu" is connected as "written", not as "late"\nis this the right --managed-context?\n',
    );
    const keys = ['get', 'secret', '-n', 'tigera-operator', 'tigera-managed-cluster-connection', '-o=jsonpath={.data}'];
    const before = await workbench.mustKubectl(['--context', 'prod-eu', ...keys]);
    const { code, stdout, stderr } = await mcm(workbench, ['reissue', 'written', '--managed-context', 'prod-eu']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^managedcluster\.kubectl-mcm\.io\/written reissued\n/);
    assert.match(stdout, /^secret\/tigera-managed-cluster-connection configured \(prod-eu\)$/m);
    assert.match(stdout, /^managementclusterconnection\.operator\.tigera\.io\/tigera-secure unchanged \(prod-eu\)$/m);
    assert.match(stderr, /^Its old certificates count for another 24h\.\n/);
    const after = await workbench.mustKubectl(['--context', 'prod-eu', ...keys]);
    assert.notEqual(after, before);
    const { spec } = await getObject<ManagedCluster>(workbench, 'managedcluster', 'written');
    const tunnel = (data: string) =>
      Buffer.from((JSON.parse(data) as Record<string, string>)['managed-cluster.crt'] ?? '', 'base64').toString();
    const registered = Buffer.from(spec.certificate ?? '', 'base64').toString();
    assert.ok(registered.includes(tunnel(before)) && registered.includes(tunnel(after)));
    assert.equal(spec.retiring?.length, 2);
    const stolen = await mcm(workbench, ['reissue', 'written', '--managed-context', 'prod-eu', '--overlap', '0']);
    assert.match(stolen.stderr, /^Its old certificates are refused from now on\.\n/);
    const { spec: only } = await getObject<ManagedCluster>(workbench, 'managedcluster', 'written');
    assert.equal(only.retiring?.length, 0);
  });

  it('remove-cluster disconnects both sides, and can be run again', async () => {
    const inUs = async (...args: string[]) => await workbench.mustKubectl(['--context', 'prod-us', ...args]);
    const secrets = ['get', 'secrets', '--all-namespaces', '-o=name'];
    const remove = ['remove-cluster', 'late', '--managed-context', 'prod-us'];
    const wrong = await mcm(workbench, ['remove-cluster', 'applied', '--managed-context', 'prod-us']);
    assert.match(wrong.stderr, /^error: "prod-us" is connected as "late", not as "applied"\n/);
    assert.equal(await exists('applied'), true);
    const dry = await mcm(workbench, [...remove, '--dry-run=server']);
    const deleted = [
      'managementclusterconnection.operator.tigera.io/tigera-secure deleted (prod-us)',
      'secret/tigera-managed-cluster-connection deleted (prod-us)',
      'secret/tigera-voltron-linseed-certs-public deleted (prod-us)',
      'secret/calico-voltron-linseed-certs-public deleted (prod-us)',
      'secret/forwarder deleted (prod-us)',
      'managedcluster.kubectl-mcm.io/late deleted',
    ];
    assert.equal(dry.stdout, deleted.map((line) => `${line} (server dry run)\n`).join(''));
    assert.match(await inUs(...secrets), /^secret\/forwarder$/m);
    const { code, stdout, stderr } = await mcm(workbench, remove);
    assert.deepEqual([code, stdout], [0, deleted.map((line) => `${line}\n`).join('')], stderr);
    assert.match(stderr, /^What stays: its logs .*, and the namespace kubectl-mcm in prod-us\n$/);
    assert.doesNotMatch(await inUs(...secrets), /forwarder|tigera-managed|linseed/);
    assert.equal(await exists('late'), false);
    const again = await mcm(workbench, remove);
    assert.deepEqual([again.code, again.stdout, again.stderr], [0, '', 'No resources found\n']);
  });

  it('refuses what it cannot wait for before anything is registered', async () => {
    for (const [args, words] of [
      [['--wait'], /^error: --wait needs --managed-context\n/],
      [
        ['--wait', '--managed-context', 'prod-us', '--timeout', 'soon'],
        /^error: invalid argument "soon" for "--timeout"/,
      ],
    ] as const) {
      const { code, stderr } = await mcm(workbench, ['add-cluster', 'unawaited', ...args]);
      assert.equal(code, 1);
      assert.match(stderr, words);
      assert.equal(await exists('unawaited'), false);
    }
  });

  it('refuses a context that is not there', async () => {
    const { code, stderr } = await mcm(workbench, ['add-cluster', 'lost', '--managed-context', 'nope']);
    assert.equal(code, 1);
    assert.match(stderr, /^error: context "nope" does not exist\n/);
    assert.equal(await exists('lost'), false);
  });

  it('says so on a cluster that is no management cluster', async () => {
    const { code, stderr } = await mcm(workbench, ['add-cluster', 'elsewhere', '--context', 'prod-eu']);
    assert.equal(code, 1);
    assert.match(stderr, /^error: "prod-eu" is not a management cluster\nrun: kubectl mcm install management --help\n/);
    assert.equal(existsSync(join(workbench.directory, 'elsewhere.yaml')), false);
  });

  it('refuses an address that nobody can dial', async (t) => {
    const inUs = async (args: readonly string[], input = '') =>
      await workbench.mustKubectl(['--context', 'prod-us', ...args], { input });
    const metadata = { name: 'management', namespace: 'kubectl-mcm' };
    const items = [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kubectl-mcm' } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { address: 'manager', 'ca.crt': 'any' } },
    ];
    await inUs(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    t.after(() => inUs(['delete', 'configmap', 'management', '-n', 'kubectl-mcm']));
    const { code, stderr } = await mcm(workbench, ['add-cluster', 'undialled', '--context', 'prod-us']);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      'error: the ConfigMap kubectl-mcm/management has the address "manager", which is not of the form HOST:PORT\nrun: kubectl mcm upgrade --address HOST:PORT\n',
    );
  });
});
