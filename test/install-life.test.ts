import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { KubeClient } from '../src/kube/client.ts';
import { loadKubeContext } from '../src/kube/kubeconfig.ts';
import type { Secret } from '../src/kube/objects.ts';
import { installManagement } from '../src/plugin/install/install-management.ts';
import { onlyFlags, readManagementRequest } from '../src/plugin/install/management-flags.ts';
import { apply, eventually, getObject, mcm, sharedWorkbench } from './harness.ts';
import { type OwnManagement, startPlainCluster } from './own-management.ts';

const FLAGS = { image: 'kubectl-mcm:0.1.0', elasticsearch: 'http://10.0.0.9:9200', address: 'mgmt.example.com:30449' };

describe('the life of an installation', () => {
  let own: OwnManagement;

  before(async () => {
    own = await startPlainCluster(sharedWorkbench(), 'installed');
  });
  after(() => own.cluster.stop());

  const run = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await mcm(own.workbench, args);
    return { code, stderr, lines: stdout.split('\n').filter((line) => line !== '') };
  };
  /** What it changed. */
  const changed = ({ lines }: { readonly lines: readonly string[] }) =>
    lines.filter((line) => !line.endsWith(' unchanged'));
  const install = () =>
    run('install', 'management', ...Object.entries(FLAGS).flatMap(([name, value]) => [`--${name}`, value]));
  const ca = async () => (await getObject<Secret>(own.workbench, 'secret', 'ca', 'kubectl-mcm')).data?.['tls.crt'];

  it('can be interrupted after each step, and goes on', async () => {
    const client = new KubeClient(loadKubeContext({ kubeconfig: own.workbench.facts.kubeconfig }, {}));
    const request = readManagementRequest(onlyFlags(FLAGS));
    const killed = new Error('killed');
    const options = {
      dryRun: false,
      force: false,
      timeout: 0,
      signal: new AbortController().signal,
      warn: () => undefined,
      onWaiting: () => undefined,
    };
    const made: string[] = [];
    for (let done = false; !done; ) {
      try {
        await installManagement(client, request, {
          ...options,
          onApplied: ({ kind, metadata }, outcome) => {
            if (outcome === 'unchanged') return;
            made.push(`${kind} ${metadata.name} ${outcome}`);
            throw killed;
          },
        });
        done = true;
      } catch (error) {
        if (error !== killed) throw error;
      }
      assert.ok(made.length < 60, made.join());
    }
    assert.equal(new Set(made).size, made.length, 'nothing is made twice');
    assert.equal(made.filter((line) => line.endsWith(' created')).length, made.length);
    assert.deepEqual(changed(await install()), []);
  });

  it('is upgraded with the flags that it was given', async () => {
    const rehearsed = await run('upgrade', '--image', 'kubectl-mcm:0.2.0', '--dry-run=server');
    assert.equal(rehearsed.code, 0, rehearsed.stderr);
    const upgraded = await run('upgrade', '--image', 'kubectl-mcm:0.2.0');
    assert.equal(upgraded.code, 0, upgraded.stderr);
    assert.deepEqual(changed(upgraded), ['configmap/management configured', 'statefulset.apps/manager configured']);
    assert.deepEqual(changed(await run('upgrade')), []);
    assert.deepEqual(changed(await run('upgrade', '--memory', '4Gi')), changed(upgraded));
    const image =
      '-o=jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].resources.limits.memory}';
    const pod = await own.workbench.mustKubectl(['get', 'statefulset', 'manager', '-n', 'kubectl-mcm', image]);
    assert.equal(pod, 'kubectl-mcm:0.2.0 4Gi');
  });

  it('is left alone by a version before it', async () => {
    const note = async (format: number) =>
      await own.workbench.mustKubectl([
        'annotate',
        'crd',
        'managedclusters.kubectl-mcm.io',
        `kubectl-mcm.io/format=${format}`,
        '--overwrite',
      ]);
    await note(2);
    for (const args of [
      ['upgrade', '--memory', '8Gi'],
      ['install', 'management', '--image', 'a', '--elasticsearch', 'http://b'],
    ]) {
      const { code, lines, stderr } = await run(...args);
      assert.deepEqual([code, lines], [1, []]);
      assert.match(stderr, /^error: what is installed is of format 2, and this version of kubectl-mcm knows 1\n/);
    }
    await note(1);
  });

  it('goes and leaves its data, and comes back to it', async () => {
    const before = await ca();
    await run('add-cluster', 'prod');
    const gone = await run('uninstall', '--keep-data');
    assert.equal(gone.code, 0, gone.stderr);
    assert.deepEqual(
      gone.lines.slice(0, 4).filter((line) => !line.startsWith('apiservice.')),
      [],
      'APIServices go first',
    );
    assert.match(
      gone.stderr,
      /^What stays: the namespace kubectl-mcm with keys, settings and volumes, the registered clusters/,
    );
    assert.equal((await own.workbench.kubectl(['get', 'statefulset', 'manager', '-n', 'kubectl-mcm'])).code, 1);
    assert.deepEqual((await run('uninstall', '--keep-data')).lines, [], 'nothing is left to do');
    assert.equal((await run('upgrade')).code, 0);
    assert.equal(await ca(), before);
    assert.match(await own.workbench.mustKubectl(['get', 'managedclusters', '-o', 'name']), /prod/);
  });

  it('goes for good, and leaves nothing but what it names', async () => {
    const refused = await run('uninstall');
    assert.deepEqual([refused.code, refused.lines], [1, []]);
    assert.match(refused.stderr, /^error: managed clusters are registered: prod\nremove them first/);
    const labels = { 'app.kubernetes.io/name': 'kubectl-mcm', 'app.kubernetes.io/component': 'manager' };
    const resources = { requests: { storage: '1Gi' } };
    // As the StatefulSet's own controller would.
    await apply(own.workbench, [
      {
        ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
        metadata: { name: 'spool-manager-0', namespace: 'kubectl-mcm', labels },
        spec: { accessModes: ['ReadWriteOnce'], resources },
      },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'elasticsearch', namespace: 'kubectl-mcm' } },
    ]);
    const rehearsed = await run('uninstall', '--dry-run=server');
    assert.equal(rehearsed.code, 0, rehearsed.stderr);
    const late = await run('uninstall', '--delete-clusters', '--timeout', '3s');
    assert.equal(late.code, 1);
    assert.deepEqual(
      late.lines,
      rehearsed.lines.map((line) => line.replace(' (server dry run)', '')),
    );
    // What puts an end to claims in use and to namespaces are controllers, which do not run here.
    const waits = 'persistentvolumeclaim/spool-manager-0, namespace/kubectl-mcm to be deleted';
    assert.match(
      late.stderr,
      /^With them: managedcluster\/prod, secret\/elasticsearch\nWhat stays: the logs in Elasticsearch/,
    );
    const timedOut = 'error: timed out waiting for the condition on what was deleted';
    assert.ok(late.stderr.includes(`\n${timedOut}\nwaited for: ${waits}\n`), late.stderr);
    const kinds = 'crd,apiservice,clusterrole,clusterrolebinding,flowschema,prioritylevelconfiguration';
    const inNamespaces = 'all,configmap,secret,serviceaccount,role,rolebinding,networkpolicy,lease,pdb';
    const ours = ['-l', 'app.kubernetes.io/name=kubectl-mcm', '-o', 'name'];
    assert.equal(await own.workbench.mustKubectl(['get', kinds, ...ours]), '');
    assert.equal(await own.workbench.mustKubectl(['get', inNamespaces, '-A', ...ours]), '');

    let said = '';
    const onOutput = (text: string) => {
      said += text;
    };
    const goesOn = mcm(own.workbench, ['uninstall'], { onOutput });
    await eventually(async () => said.includes(`Waiting for ${waits}\n`));
    await endAsControllersDo();
    const gone = await goesOn;
    assert.equal(gone.code, 0, gone.stderr);
    assert.equal((await own.workbench.kubectl(['get', 'namespace', 'kubectl-mcm'])).code, 1);
    assert.match((await run('uninstall')).stderr, /^No resources found\n$/);
  });

  /** What the controllers of claims and namespaces do once nothing uses them. */
  async function endAsControllersDo(): Promise<void> {
    const { workbench } = own;
    const free = '{"metadata":{"finalizers":null}}';
    await workbench.mustKubectl(['patch', 'pvc', 'spool-manager-0', '-n', 'kubectl-mcm', '--type=merge', '-p', free]);
    const namespace = JSON.parse(await workbench.mustKubectl(['get', 'namespace', 'kubectl-mcm', '-o', 'json']));
    const input = JSON.stringify({ ...namespace, spec: { finalizers: [] } });
    await workbench.mustKubectl(['replace', '--raw', '/api/v1/namespaces/kubectl-mcm/finalize', '-f', '-'], { input });
  }
});
